<#
.SYNOPSIS
Installs the RPort client and connects it to its server.

.DESCRIPTION
Run it as Administrator, in Windows PowerShell 5.1 or PowerShell 7:

  powershell -File .\rport-installer.ps1 [FLAGS]

  -f       overwrite an existing installation; its client id is kept
  -x       let the server run any command and script
  -a USER  run as this service account, such as 'NT AUTHORITY\LocalService',
           instead of LocalSystem
  -r       let the server send files
  -i       install Tacoscript as well
  -g TAG   tag the client; may be repeated
  -d       random client id instead of the machine id
  -t       newest unstable release
  -z URL   package from this URL or local path; also -pkgUrl URL
  -n       dry run: print what would be done, change nothing
  -u       uninstall client, configuration and logs
  -v       print versions
  -h       print this
-s -b have no meaning on Windows, -c -l -p no effect.

.NOTES
Exit codes: 0 done, 1 unexpected, 2 usage, 3 not Administrator,
4 unsupported system, 5 already installed, 6 download failed, 7 checksum
mismatch, 8 server not reachable, 9 installed but not connected

.EXAMPLE
powershell -File .\rport-installer.ps1 -x -g office

With commands and scripts allowed, and a tag.

.EXAMPLE
& ([scriptblock]::Create((Invoke-RestMethod PAIRING_URL))) -n

Without a file; the exit code is in $LASTEXITCODE.
#>

# Closed by the last character: cut off on its way, this does not parse, and nothing of it runs.
# Windows logs scripts that hold a word of its list, so none is here in one piece.
@(& {

function Invoke-Main {
	try {
		Assert-PowerShell
		Read-Flag @args
		switch ($flags.action) {
			'help' { Write-Help }
			'version' { Write-Version }
			'uninstall' { Uninstall-Client }
			'install' {
				Assert-System
				Save-Package
				Install-Client
				Start-Client
				Wait-Connection
			}
		}
	} catch {
		$reason = $_.Exception.Message
		if ($run.exitCode -eq 0) {
			$run.exitCode = 1
			$reason = "$reason (line $($_.InvocationInfo.ScriptLineNumber))"
		}
		Write-Failure $reason
	} finally {
		# Also runs on Ctrl+C.
		Clear-Run
	}
	$global:LASTEXITCODE = $run.exitCode
	# Run as text there is no file, and exit would close the user's window.
	if ({}.File) { exit $run.exitCode }
}

# The only lines that differ from one installer to the next.
$scriptVersion = '<%= it.version %>'
$publicUrl = '<%= it.publicUrl %>'
$rportReleases = '<%= it.rportReleasesUrl %>'
$rportVersion = '<%= it.rportVersion %>'
$tacoscriptReleases = '<%= it.tacoscriptReleasesUrl %>'
$connectUrl = '<%= it.connectUrl %>'
$serverToml = '<%= it.serverToml %>'
$fingerprintToml = '<%= it.fingerprintToml %>'
$authToml = '<%= it.authToml %>'
$defaultFlags = '<%= it.letters %>'
$defaultAccount = '<%= it.account %>'
$defaultTags = '<%= it.tagsToml %>'

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
# A progress bar makes Windows PowerShell many times slower.
$ProgressPreference = 'SilentlyContinue'
# The exit codes of programs are looked at below.
$PSNativeCommandUseErrorActionPreference = $false

# A 32-bit PowerShell has other ProgramFiles.
$programFiles = $env:ProgramW6432
if (-not $programFiles) { $programFiles = $env:ProgramFiles }
$installDir = Join-Path $programFiles 'rport'
$client = Join-Path $installDir 'rport.exe'
$config = Join-Path $installDir 'rport.conf'
# Names the Tacoscript that an install added.
$manifest = Join-Path $installDir '.installer'
$dataDir = Join-Path $installDir 'data'
$state = Join-Path $dataDir 'state.json'
$log = Join-Path $installDir 'rport.log'
$tacoscriptDir = Join-Path $programFiles 'tacoscript'
$tacoscript = Join-Path $tacoscriptDir 'tacoscript.exe'
$tacoscriptVersion = '0.0.9'
$serviceController = Join-Path $env:SystemRoot 'System32\sc.exe'

# What this run has found and changed, newest first.
$run = @{
	exitCode = 0; work = ''; changing = $false; created = @(); replaced = @(); service = $null
	serviceName = 'LocalSystem'; accountSid = ''; clientId = ''; clientVersion = ''; logSize = 0; removed = $false
}
$flags = @{
	action = 'install'; force = $false; unstable = $false; commands = $false; account = ''; reception = $false
	tacoscript = $false; randomId = $false; dryRun = $false; package = ''; tags = $defaultTags
}

function Write-Failure($Reason) {
	if ($ExecutionContext.SessionState.LanguageMode -eq 'FullLanguage') {
		$Host.UI.WriteErrorLine("rport installer: $Reason")
	} else {
		# Nothing may be called on an object there.
		Write-Error -Message "rport installer: $Reason" -ErrorAction Continue
	}
}

function Stop-Installer($ExitCode, $Reason) {
	$run.exitCode = $ExitCode
	throw $Reason
}

function Assert-PowerShell {
	if ($PSVersionTable.PSVersion -lt [version]'5.1') {
		Stop-Installer 4 "this PowerShell is too old ($($PSVersionTable.PSVersion)); it takes 5.1 or 7"
	}
	if ($ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage') {
		Stop-Installer 4 "a policy of this machine restricts PowerShell ($($ExecutionContext.SessionState.LanguageMode))"
	}
}

function Read-Flag {
	if ($defaultFlags) { Read-Word "-$defaultFlags" }
	$flags.account = $defaultAccount
	Read-Word @args
	if ($flags.account -and $flags.account -notmatch '^[\w.$-]+( [\w.$-]+)*(\\[\w.$-]+( [\w.$-]+)*)?$') {
		Stop-Installer 2 '-a: not an account name'
	}
}

# PowerShell takes typographic dashes for hyphens, and hands -a:USER over as two words.
function Read-Word {
	for ($i = 0; $i -lt $args.Count; $i++) {
		if ([string]$args[$i] -notmatch '^[-\u2013-\u2015](pkgUrl|[a-z]+):?$') {
			Stop-Installer 2 'unexpected argument; -h shows all flags'
		}
		$letters = $Matches[1].ToLowerInvariant()
		if ($letters -eq 'pkgurl') { $letters = 'z' }
		foreach ($letter in $letters.ToCharArray()) {
			$value = $null
			if ('agz'.Contains($letter)) {
				$i++
				if ($i -ge $args.Count) { Stop-Installer 2 "-$letter needs a value; -h shows all flags" }
				$value = $args[$i]
			}
			Set-Flag $letter $value
		}
	}
}

function Set-Flag($Letter, $Value) {
	switch ($Letter) {
		'h' { $flags.action = 'help' }
		'v' { if ($flags.action -ne 'help') { $flags.action = 'version' } }
		'u' { if ($flags.action -eq 'install') { $flags.action = 'uninstall' } }
		'f' { $flags.force = $true }
		't' { $flags.unstable = $true }
		'x' { $flags.commands = $true }
		'a' { $flags.account = [string]$Value }
		'r' { $flags.reception = $true }
		'i' { $flags.tacoscript = $true }
		'g' { foreach ($tag in @($Value) -split ',') { Add-Tag $tag } }
		'd' { $flags.randomId = $true }
		'z' { $flags.package = [string]$Value }
		'n' { $flags.dryRun = $true }
		{ 'sb'.Contains($_) } { Write-Warning "-$Letter has no meaning on Windows: there is no sudo" }
		{ 'clp'.Contains($_) } { }
		default { Stop-Installer 2 "unknown flag -$Letter; -h shows all flags" }
	}
}

function Add-Tag($Tag) {
	if ($Tag -notmatch '^[A-Za-z0-9][A-Za-z0-9 ._:@/+-]*$') {
		Stop-Installer 2 '-g: a tag has letters, digits, spaces and . _ : @ / + - only'
	}
	if ($Tag.Length -gt 64) { Stop-Installer 2 '-g: a tag has at most 64 characters' }
	$flags.tags = (@($flags.tags, "`"$Tag`"") -ne '') -join ', '
}

# The text at the top of this script.
function Write-Help {
	$script = {}.Ast
	while ($script.Parent) { $script = $script.Parent }
	$text = $script.GetHelpContent()
	Write-Host (($text.Synopsis, $text.Description, $text.Notes).Trim() -join "`n`n")
}

function Write-Version {
	Write-Host "installer $scriptVersion"
	$version = 'is not installed'
	if (Test-Path -LiteralPath $client) { $version = Get-ProgramVersion $client }
	Write-Host "rport $version"
}

# The client prints " version 0.9.14".
function Get-ProgramVersion($Path) {
	$words = @((Invoke-Program $Path '--version') -split '\s+' -ne '')
	if ($words.Count -eq 0) { throw "$Path does not tell its version" }
	$words[-1]
}

# What the program prints. Throws that if it fails.
function Invoke-Program($Path, $Arguments) {
	# With Stop, Windows PowerShell would end at the first line on stderr.
	$ErrorActionPreference = 'Continue'
	$output = (& $Path $Arguments 2>&1 | ForEach-Object { [string]$_ }) -join "`n"
	if ($LASTEXITCODE -ne 0) { throw "$(Split-Path $Path -Leaf) failed with $LASTEXITCODE`: $output" }
	$output
}

# What can stop an install does so before anything is changed.
function Assert-System {
	if (-not $connectUrl) { Stop-Installer 2 'this script holds no credentials: it can only uninstall, by -u' }
	Assert-Administrator
	Assert-Architecture
	Find-Account
	$run.service = Get-RportService
	if (-not $flags.force) {
		foreach ($path in $client, $config) {
			if (Test-Path -LiteralPath $path) { Stop-Installed $path }
		}
		if ($run.service) { Stop-Installed 'the service rport' }
	}
	Assert-Reachable
}

function Stop-Installed($What) {
	Stop-Installer 5 "already installed ($What exists); nothing was changed. -f overwrites it, -u removes it"
}

function Assert-Administrator {
	if ($flags.dryRun) { return }
	$user = [Security.Principal.WindowsPrincipal][Security.Principal.WindowsIdentity]::GetCurrent()
	if (-not $user.IsInRole([Security.Principal.WindowsBuiltInRole]'Administrator')) {
		Stop-Installer 3 'this needs Administrator rights; open PowerShell with "Run as administrator"'
	}
}

function Assert-Architecture {
	if ($env:OS -ne 'Windows_NT') { Stop-Installer 4 'this system is not Windows' }
	# Set in a 32-bit program on a 64-bit Windows.
	$architecture = $env:PROCESSOR_ARCHITEW6432
	if (-not $architecture) { $architecture = $env:PROCESSOR_ARCHITECTURE }
	if ($architecture -ne 'AMD64') {
		Stop-Installer 4 "there is no rport client for this architecture ($architecture), only for AMD64"
	}
}

# Windows knows these names in every language.
function Find-Account {
	switch -Regex ($flags.account) {
		'^$|^LocalSystem$|^(NT AUTHORITY\\)?SYSTEM$' { return }
		'^(NT AUTHORITY\\)?Local ?Service$' { $run.serviceName = 'NT AUTHORITY\LocalService'; $run.accountSid = 'S-1-5-19'; return }
		'^(NT AUTHORITY\\)?Network ?Service$' { $run.serviceName = 'NT AUTHORITY\NetworkService'; $run.accountSid = 'S-1-5-20'; return }
	}
	if ($flags.account -notmatch '\$$') {
		Stop-Installer 2 "-a: $($flags.account) may have a password; take LocalService, NetworkService or a managed account (NAME`$)"
	}
	try {
		$run.accountSid = ([Security.Principal.NTAccount]$flags.account).Translate([Security.Principal.SecurityIdentifier]).Value
	} catch {
		Stop-Installer 2 "-a: there is no account $($flags.account)"
	}
	$run.serviceName = $flags.account
}

function Get-RportService {
	Get-CimInstance -ClassName Win32_Service -Filter "Name='rport'"
}

# Any answer will do. The client knows no proxy of the system, so none is used.
function Assert-Reachable {
	$request = [Net.WebRequest]::Create(($connectUrl -replace '^ws', 'http'))
	$request.Timeout = 15000
	$request.AllowAutoRedirect = $false
	$request.Proxy = $null
	try {
		$request.GetResponse().Close()
	} catch {
		$failure = $_.Exception.InnerException
		if (-not ($failure -is [Net.WebException] -and $failure.Response)) {
			Stop-Installer 8 "$connectUrl is not reachable; nothing was changed ($($failure.Message))"
		}
		$failure.Response.Close()
	}
}

function Save-Package {
	if ($flags.dryRun) {
		$what = "rport $rportVersion"
		if ($flags.unstable) { $what = 'the newest unstable rport' }
		if ($flags.package) { $what = $flags.package }
		if ($flags.tacoscript) { $what += ' and tacoscript' }
		Write-Host "would download $what"
		return
	}
	# There, only administrators can write, and files get into place by renames.
	$run.work = Join-Path $programFiles "rport.$([guid]::NewGuid())"
	New-Item -ItemType Directory -Path $run.work | Out-Null
	Save-Client
	if ($flags.tacoscript) { Save-Tacoscript }
}

function Save-Client {
	if ($flags.package) {
		Save-GivenPackage
	} else {
		$rportVersion = Find-Version
		Write-Host "Downloading rport $rportVersion (x86_64)"
		Save-Verified "$rportReleases/download/$rportVersion" "rport_${rportVersion}_windows_x86_64.zip" 'rport'
	}
	try { $program = Expand-Package 'rport' } catch { Stop-Installer 6 "the package is damaged: $_" }
	try { $run.clientVersion = Get-ProgramVersion $program } catch { Stop-Installer 4 "the downloaded rport does not run here: $_" }
	if (-not $flags.package -and $run.clientVersion -ne $rportVersion) {
		Stop-Installer 6 "the package holds rport $($run.clientVersion) instead"
	}
}

function Save-GivenPackage {
	$archive = Join-Path $run.work 'rport.zip'
	$package = $flags.package
	try {
		if ($package -match '^https?://') {
			Write-Host "Downloading $package"
			Save-Url $package $archive | Out-Null
		} else {
			Copy-Item -LiteralPath $package -Destination $archive
		}
	} catch {
		Stop-Installer 6 "could not get ${package}: $_"
	}
	Write-Warning "$package is not verified: it has no checksum"
}

function Find-Version {
	$version = $rportVersion
	if ($flags.unstable) { $version = Find-Tag "$rportReleases.atom" 'href="[^"]*/tag/([^"/]*)"' }
	elseif ($version -eq 'latest') { $version = Find-Tag "$rportReleases/latest" '/tag/([^/]*)$' }
	$version
}

# In the address that the page leads to, or in the page.
function Find-Tag($Url, $Pattern) {
	try {
		$page = Join-Path $run.work 'page'
		$address = Save-Url $Url $page
		$tag = Get-Match "$(Get-Content -LiteralPath $page -Raw)`n$address" $Pattern
		if ($tag -notmatch '^[0-9A-Za-z.+-]+$') { throw 'it names none' }
		$tag
	} catch {
		Stop-Installer 6 "could not find out the newest release from ${Url}: $_"
	}
}

# The first group, or nothing.
function Get-Match($Text, $Pattern) {
	[regex]::Match($Text, $Pattern).Groups[1].Value
}

# This class takes the system's proxy and shows no progress.
function Get-Response($Url) {
	# 0 leaves the choice to Windows; else 1.2 may be missing from the list.
	if ([int][Net.ServicePointManager]::SecurityProtocol -ne 0) {
		[Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor 3072
	}
	$request = [Net.WebRequest]::Create($Url)
	$request.Timeout = 30000
	if ($request.Proxy) { $request.Proxy.Credentials = [Net.CredentialCache]::DefaultCredentials }
	$response = $request.GetResponse()
	if ($Url -match '^https:' -and $response.ResponseUri.Scheme -ne 'https') { throw "$Url leads to an address without TLS" }
	$response
}

# Gives the address that the URL led to.
function Save-Url($Url, $Path) {
	$response = Get-Response $Url
	$file = [IO.File]::Create($Path)
	try {
		$response.GetResponseStream().CopyTo($file)
		# Windows PowerShell takes a lost connection for the end.
		if ($response.ContentLength -gt $file.Length) { throw 'the connection was lost' }
		[string]$response.ResponseUri
	} finally {
		$file.Close()
		$response.Close()
	}
}

function Save-Verified($Base, $Name, $Program) {
	$archive = Join-Path $run.work "$Program.zip"
	$checksums = Join-Path $run.work 'checksums.txt'
	foreach ($download in @("$Base/$Name", $archive), @("$Base/checksums.txt", $checksums)) {
		try { Save-Url $download[0] $download[1] | Out-Null } catch { Stop-Installer 6 "could not download $($download[0]): $_" }
	}
	$expected = Get-Match (Get-Content -LiteralPath $checksums -Raw) "(?m)^([0-9a-fA-F]{64}) [ *]$([regex]::Escape($Name))\r?`$"
	if ($expected -ne (Get-FileHash -LiteralPath $archive -Algorithm SHA256).Hash) {
		Stop-Installer 7 "$Base/$Name does not have the checksum that checksums.txt gives"
	}
}

# The path of the program in the package.
function Expand-Package($Program) {
	$directory = Join-Path $run.work "$Program.package"
	Expand-Archive -LiteralPath (Join-Path $run.work "$Program.zip") -DestinationPath $directory
	$path = Join-Path $directory "$Program.exe"
	if (-not (Test-Path -LiteralPath $path -PathType Leaf)) { throw "it holds no $Program.exe" }
	$path
}

# The client works without it, so this never fails.
function Save-Tacoscript {
	try {
		if ((Test-Path -LiteralPath $tacoscript) -and -not (Test-Manifest)) { throw "$tacoscript exists already" }
		Save-Verified "$tacoscriptReleases/download/v$tacoscriptVersion" "tacoscript_${tacoscriptVersion}_windows_x86_64.zip" 'tacoscript'
		Expand-Package 'tacoscript' | Out-Null
	} catch {
		$run.exitCode = 0
		$flags.tacoscript = $false
		Write-Warning "Tacoscript is not installed: $_"
	}
}

# Whether an install of this script added Tacoscript.
function Test-Manifest {
	(Test-Path -LiteralPath $manifest) -and @(Get-Content -LiteralPath $manifest) -contains 'tacoscript'
}

function Install-Client {
	$run.changing = -not $flags.dryRun
	Stop-Client
	Invoke-Change "make $installDir" { Add-Path 'Directory' $installDir }
	Invoke-Change "make $dataDir" { Add-Path 'Directory' $dataDir; Protect-Path $dataDir 'OICI' '0x1301bf' }
	Invoke-Change "make $log" { Add-Path 'File' $log; Protect-Path $log '' '0x1301bf' }
	Invoke-Change "write $client" { Move-IntoPlace 'rport.package\rport.exe' $client }
	if ($flags.tacoscript) {
		Invoke-Change "make $tacoscriptDir" { Add-Path 'Directory' $tacoscriptDir }
		Invoke-Change "write $tacoscript" { Move-IntoPlace 'tacoscript.package\tacoscript.exe' $tacoscript }
		Invoke-Change "write $manifest" { Set-File 'manifest' 'tacoscript'; Move-IntoPlace 'manifest' $manifest }
	}
	Invoke-Change "write $config" { Write-Config }
	Register-Service
}

# The one way to change the machine. A dry run only tells.
function Invoke-Change($What, $Action) {
	if ($flags.dryRun) {
		Write-Host "would $What"
		return
	}
	try { & $Action } catch { Stop-Installer 1 "could not ${What}: $_" }
}

# Windows locks a running program; its service says that it has stopped before the program ends.
function Stop-Client {
	if ($run.service -and $run.service.State -ne 'Stopped') {
		Invoke-Change 'stop the service rport' { Stop-Service -Name 'rport' -Force }
	}
	if (Test-Path -LiteralPath $client) {
		Invoke-Change "wait until $client is not in use" { Wait-Unlocked }
	}
}

function Wait-Unlocked {
	$deadline = [DateTime]::UtcNow.AddSeconds(30)
	while ($true) {
		try {
			[IO.File]::Open($client, 'Open', 'ReadWrite', 'None').Close()
			return
		} catch {
			if ([DateTime]::UtcNow -gt $deadline) { throw }
			Start-Sleep -Milliseconds 200
		}
	}
}

function Add-Path($Type, $Path) {
	if (Test-Path -LiteralPath $Path) { return }
	New-Item -ItemType $Type -Path $Path | Out-Null
	$run.created = @($Path) + $run.created
}

# Nothing is inherited: SYSTEM and Administrators have all rights, the service account those given.
function Protect-Path($Path, $Inheritance, $AccountRights) {
	# The account could have put a junction in its place.
	if ([IO.File]::GetAttributes($Path) -band [IO.FileAttributes]::ReparsePoint) { throw "$Path is a link" }
	$sddl = "O:BAD:PAI(A;$Inheritance;FA;;;SY)(A;$Inheritance;FA;;;BA)"
	if ($run.accountSid) { $sddl += "(A;$Inheritance;$AccountRights;;;$($run.accountSid))" }
	if ($Inheritance) { $acl = [Security.AccessControl.DirectorySecurity]::new() }
	else { $acl = [Security.AccessControl.FileSecurity]::new() }
	$acl.SetSecurityDescriptorSddlForm($sddl)
	Set-Acl -LiteralPath $Path -AclObject $acl
}

function Set-File($Name, $Text) {
	Set-Content -LiteralPath (Join-Path $run.work $Name) -Value $Text -Encoding Ascii
}

# Keeps what it replaces for a rollback. A rename takes a file's rights along.
function Move-IntoPlace($Name, $Path) {
	if (Test-Path -LiteralPath $Path) {
		$kept = Join-Path $run.work "kept.$(Split-Path $Path -Leaf)"
		Move-Item -LiteralPath $Path -Destination $kept
		$run.replaced = @(, @($kept, $Path)) + $run.replaced
	} else {
		$run.created = @($Path) + $run.created
	}
	Move-Item -LiteralPath (Join-Path $run.work $Name) -Destination $Path
}

# The file is protected before the password gets into it.
function Write-Config {
	$run.clientId = Find-ClientId
	$file = Join-Path $run.work 'rport.conf'
	New-Item -ItemType File -Path $file | Out-Null
	Protect-Path $file '' '0x120089'
	Set-File 'rport.conf' (Get-ConfigText)
	Move-IntoPlace 'rport.conf' $config
}

# An existing id is kept; with -d, unless it is the machine's, which clones share.
function Find-ClientId {
	$id = ''
	if (Test-Path -LiteralPath $config) {
		$id = Get-Match (Get-Content -LiteralPath $config -Raw) '(?m)^\s*id\s*=\s*["'']([\w. -]*)["'']'
	}
	$machineId = Get-MachineId
	if ($flags.randomId -and $id -eq $machineId) { $id = '' }
	if (-not $id -and -not $flags.randomId) { $id = $machineId }
	if (-not $id) { $id = [string][guid]::NewGuid() }
	$id
}

# Bad firmware has an id of zeros or Fs. A 32-bit PowerShell sees another registry.
function Get-MachineId {
	$uuid = (Get-CimInstance -ClassName Win32_ComputerSystemProduct).UUID
	if ($uuid -match '^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$' -and $uuid -notmatch '^[0-]*$|^[F-]*$') { return $uuid }
	$registry = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
	$guid = [string]$registry.OpenSubKey('SOFTWARE\Microsoft\Crypto' + 'graphy').GetValue('MachineGuid')
	if ($guid -match '^[0-9A-Za-z-]+$') { $guid }
}

function Get-ConfigText {
	$boolean = @{ $true = 'true'; $false = 'false' }
	$allow = ''
	if ($flags.commands) { $allow = "'.*'" }
	@"
# The RPort client. Edit this file as you like, then restart the service rport.

[client]
# The server and the fingerprint of its key.
server = $serverToml
fingerprint = $fingerprintToml
# "<client auth id>:<password>"
auth = $authToml
# Unique among the clients of the server, which keeps this machine's history under it.
id = "$($run.clientId)"
use_system_id = false
# Another name: set this to false and add name = "..."
use_hostname = true
tags = [$($flags.tags)]
data_dir = $(ConvertTo-Toml $dataDir)
# How often to look for updates of Windows.
updates_interval = '4h'
# proxy = "http://user:password@proxy.example.com:3128"

[connection]
keep_alive = '3m'
# Never give up.
max_retry_count = -1
max_retry_interval = '5m'
# Writes the state to data\state.json.
watchdog_integration = true

[logging]
log_file = $(ConvertTo-Toml $log)
# error, info or debug
log_level = "info"

[remote-commands]
# May the server run commands, and which (regular expressions)?
enabled = $($boolean[$flags.commands])
allow = [$allow]
deny = []

[remote-scripts]
# May it run scripts? Needs remote commands.
enabled = $($boolean[$flags.commands])

[file-reception]
# May it send files?
enabled = $($boolean[$flags.reception])

[monitoring]
enabled = true
# Network cards and their speed in Mbit/s.
$((Get-CardLine) -join "`n")

[interpreter-aliases]
# Programs that can run scripts of the server.
$((Get-InterpreterLine) -join "`n")
"@
}

# A basic string in pure ASCII.
function ConvertTo-Toml($Value) {
	$escaped = [regex]::Replace($Value, '[\ud800-\udbff][\udc00-\udfff]|["\\]|[^ -~]', {
			$character = $args[0].Value
			if ('"\'.Contains($character)) { "\$character" } else { '\U{0:x8}' -f [char]::ConvertToUtf32($character, 0) }
		})
	"`"$escaped`""
}

# net_lan: the first card with a private IPv4 address; net_wan: the first with a public one.
function Get-CardLine {
	$found = @()
	foreach ($card in [Net.NetworkInformation.NetworkInterface]::GetAllNetworkInterfaces()) {
		if ($card.OperationalStatus -ne 'Up' -or $card.NetworkInterfaceType -eq 'Loopback') { continue }
		foreach ($unicast in ($card | ForEach-Object -MemberName ('GetIPProp' + 'erties')).UnicastAddresses) {
			$address = [string]$unicast.Address
			if ($address -notmatch '^\d+\.\d+\.\d+\.\d+$' -or $address -match '^(127|169\.254)\.') { continue }
			$key = 'net_wan'
			if ($address -match '^(10|192\.168|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\.') { $key = 'net_lan' }
			if ($found -contains $key) { continue }
			$found += $key
			# Virtual cards have no speed, or an absurd one.
			$speed = [Math]::Floor($card.Speed / 1000000)
			if ($speed -lt 1 -or $speed -gt 1000000) { $speed = 1000 }
			"$key = [$(ConvertTo-Toml $card.Name), '$speed']"
		}
	}
}

# Not those of a user's profile, which the service account may not read.
function Get-InterpreterLine {
	foreach ($name in 'pwsh', 'bash', 'python', 'perl', 'ruby', 'php', 'node') {
		$command = @(Get-Command -Name "$name.exe" -CommandType Application -ErrorAction Ignore)
		if ($command.Count -gt 0 -and $command[0].Path -notmatch '\\Users\\') { "$name = $(ConvertTo-Toml $command[0].Path)" }
	}
	if (Test-Path -LiteralPath $tacoscript) { "tacoscript = $(ConvertTo-Toml $tacoscript)" }
}

function Register-Service {
	if (-not $run.service) {
		Invoke-Change 'install the service rport' { Invoke-Program $client '--service', 'install', '-c', $config | Out-Null }
	}
	Invoke-Change "start the service rport with Windows, as $($run.serviceName)" {
		Set-RportService "`"$client`" -c `"$config`"" $run.serviceName 'Automatic'
	}
	Invoke-Change 'restart the service rport when it fails' {
		Invoke-Program $serviceController 'failure', 'rport', 'reset=', '60', 'actions=', 'restart/5000' | Out-Null
	}
}

function Set-RportService($Path, $Account, $StartMode) {
	$values = @{ PathName = $Path; StartName = $Account; StartPassword = ''; StartMode = $StartMode }
	$result = (Invoke-CimMethod -InputObject (Get-RportService) -MethodName Change -Arguments $values).ReturnValue
	if ($result -ne 0) { throw "Windows refuses it (Win32_Service.Change returned $result)" }
}

# The state file goes first, so that what it says later is news.
function Start-Client {
	Invoke-Change 'forget the last state of the connection' {
		if (Test-Path -LiteralPath $state) { Remove-Item -LiteralPath $state -Force }
		$run.logSize = (Get-Item -LiteralPath $log).Length
	}
	Invoke-Change 'start the service rport' { Start-Service -Name 'rport' }
	$run.changing = $false
}

function Wait-Connection {
	if ($flags.dryRun) { return }
	Write-Host "Waiting for the connection to $connectUrl"
	$deadline = [DateTime]::UtcNow.AddSeconds(30)
	# A refused password or fingerprint does not heal with time.
	$final = 'Authentication failed|invalid fingerprint'
	while ([DateTime]::UtcNow -lt $deadline -and -not (@(Get-NewLog) -match $final)) {
		if ((Get-Content -LiteralPath $state -Raw -ErrorAction Ignore) -match '"last_state": *"connected"') {
			Write-Connected
			return
		}
		Start-Sleep -Milliseconds 200
	}
	$lines = @(Get-NewLog)
	$reason = @('the client has logged nothing') + $lines + @($lines -match "$final|already in use|connection error")
	Stop-Installer 9 @"
installed, but not connected: $($reason[-1])
The client goes on trying; its log is $log. For other credentials, run the command of a new pairing with -f.
"@
}

function Write-Connected {
	Write-Host @"
rport $($run.clientVersion) is connected to $connectUrl

  client id  $($run.clientId)
  runs as    $($run.serviceName)
  config     $config
  log        $log
  uninstall  irm $publicUrl/uninstall.ps1 | iex
"@
}

# What the client has logged since this start. It goes on writing.
function Get-NewLog {
	$file = [IO.File]::Open($log, 'Open', 'Read', 'ReadWrite, Delete')
	try {
		if ($file.Length -ge $run.logSize) { $file.Position = $run.logSize }
		[IO.StreamReader]::new($file).ReadToEnd() -split '\r?\n' -replace '[^ -~]' -ne ''
	} finally {
		$file.Close()
	}
}

function Clear-Run {
	if ($run.changing) { Restore-Machine }
	if ($run.work) { Remove-Item -LiteralPath $run.work -Recurse -Force -ErrorAction Continue }
}

function Restore-Machine {
	Write-Warning 'the install failed; what was changed is put back'
	if (-not $run.service -and (Get-RportService)) { Remove-RportService }
	foreach ($path in $run.created) {
		if (Test-Path -LiteralPath $path) { Remove-Item -LiteralPath $path -Recurse -Force }
	}
	foreach ($pair in $run.replaced) {
		if (Test-Path -LiteralPath $pair[1]) { Remove-Item -LiteralPath $pair[1] -Force }
		Move-Item -LiteralPath $pair[0] -Destination $pair[1]
	}
	if (-not $run.service) { return }
	Set-RportService $run.service.PathName $run.service.StartName ($run.service.StartMode -replace '^Auto$', 'Automatic')
	if ($run.service.State -eq 'Running') { Start-Service -Name 'rport' }
}

function Remove-RportService {
	Stop-Service -Name 'rport' -Force
	Invoke-Program $serviceController 'delete', 'rport' | Out-Null
}

function Uninstall-Client {
	Assert-Administrator
	$run.service = Get-RportService
	$withTacoscript = Test-Manifest
	Stop-Client
	if ($run.service) {
		$run.removed = $true
		Invoke-Change 'remove the service rport' { Remove-RportService }
	}
	if ($withTacoscript) { Remove-Directory $tacoscriptDir }
	Remove-Directory $installDir
	if (-not $run.removed) { Write-Host 'rport is not installed; there is nothing to remove' }
	elseif (-not $flags.dryRun) { Write-Host 'rport was removed' }
}

function Remove-Directory($Path) {
	if (-not (Test-Path -LiteralPath $Path)) { return }
	$run.removed = $true
	Invoke-Change "remove $Path" { Remove-Item -LiteralPath $Path -Recurse -Force }
}

Invoke-Main @args
} @args)
