# Stands in for Windows where there is none, and records what is asked of it: one line a call in $env:STANDIN_DIR/calls.
# The service rport is the file $env:STANDIN_DIR/service, with lines such as State=Running.

$accelerators = [psobject].Assembly.GetType('System.Management.Automation.TypeAccelerators')
foreach ($standin in @{
        'Security.Principal.WindowsIdentity' = [StandinIdentity]
        'Security.Principal.WindowsPrincipal' = [StandinPrincipal]
        'Security.Principal.NTAccount' = [StandinAccount]
        'Security.Principal.SecurityIdentifier' = [StandinSid]
        'Microsoft.Win32.RegistryKey' = [StandinRegistry]
        'Security.AccessControl.FileSecurity' = [StandinSecurity]
        'Security.AccessControl.DirectorySecurity' = [StandinSecurity]
    }.GetEnumerator()) {
    $accelerators::Add($standin.Key, $standin.Value)
}

function Add-Call {
    param([string]$Call)
    [IO.File]::AppendAllText("$env:STANDIN_DIR/calls", "$Call`n")
}

function Set-StandinService {
    param([hashtable]$Values)
    [IO.File]::WriteAllText("$env:STANDIN_DIR/service", (($Values.GetEnumerator() | ForEach-Object { "$($_.Key)=$($_.Value)`n" }) -join ''))
}

function Get-StandinService {
    $values = @{}
    foreach ($line in [IO.File]::ReadAllLines("$env:STANDIN_DIR/service")) {
        $key, $value = $line -split '=', 2
        $values[$key] = $value
    }
    $values
}

function Start-Service {
    param([string]$Name)
    Add-Call "Start-Service $Name"
    $service = Get-StandinService
    if ($env:STANDIN_START -eq 'fails') { throw "Service 'rport' cannot be started." }
    $service.State = 'Running'
    Set-StandinService $service
    $program, $config = ([regex]::Matches($service.PathName, '"([^"]*)"') | ForEach-Object { $_.Groups[1].Value })
    & $program -c $config
}

function Stop-Service {
    param([string]$Name, [switch]$Force)
    Add-Call "Stop-Service $Name"
    $service = Get-StandinService
    $service.State = 'Stopped'
    Set-StandinService $service
}

function Get-CimInstance {
    param([string]$ClassName, [string]$Filter)
    if ($ClassName -eq 'Win32_ComputerSystemProduct') { return [pscustomobject]@{ UUID = $env:STANDIN_UUID } }
    if ([IO.File]::Exists("$env:STANDIN_DIR/service")) { [pscustomobject](Get-StandinService) }
}

function Invoke-CimMethod {
    param([object]$InputObject, [string]$MethodName, [hashtable]$Arguments)
    Add-Call "Win32_Service.$MethodName $(($Arguments.GetEnumerator() | ForEach-Object { "$($_.Key)=$($_.Value)" } | Sort-Strings) -join ' ')"
    $service = Get-StandinService
    $service.PathName = $Arguments.PathName
    $service.StartName = $Arguments.StartName
    $service.StartMode = $Arguments.StartMode -replace '^Automatic$', 'Auto'
    Set-StandinService $service
    [pscustomobject]@{ ReturnValue = 0 }
}

function Sort-Strings {
    $all = [string[]]@($input)
    [Array]::Sort($all, [StringComparer]::Ordinal)
    $all
}

# With the length of the file: what is in it when it gets its rights.
function Set-Acl {
    param([string]$LiteralPath, [object]$AclObject)
    $item = Get-Item -LiteralPath $LiteralPath
    $length = if ($item.PSIsContainer) { 'directory' } else { $item.Length }
    Add-Call "Set-Acl $($item.Name) $length $($AclObject.Sddl)"
}
