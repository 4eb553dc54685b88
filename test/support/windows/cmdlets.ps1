# The cmdlets of the modules that the engine comes without, as far as the installer and its tests use them: the real
# names and parameters, over the engine's own providers.

function Write-Host {
    param([object]$Object)
    $Host.UI.WriteLine([string]$Object)
}

function Write-Warning {
    [CmdletBinding()]
    param([string]$Message)
    $PSCmdlet.WriteWarning($Message)
}

function Write-Error {
    [CmdletBinding()]
    param([string]$Message)
    $PSCmdlet.WriteError([Management.Automation.ErrorRecord]::new([Exception]::new($Message), 'WriteError', 'NotSpecified', $null))
}

function Start-Sleep {
    param([double]$Seconds, [int]$Milliseconds)
    [Threading.Thread]::Sleep($Seconds * 1000 + $Milliseconds)
}

function Join-Path {
    param([string]$Path, [string]$ChildPath)
    $ExecutionContext.SessionState.Path.Combine($Path, $ChildPath)
}

function Split-Path {
    param([string]$Path, [switch]$Leaf)
    $ExecutionContext.SessionState.Path.ParseChildName($Path)
}

function Test-Path {
    param([string]$LiteralPath, [string]$PathType = 'Any')
    switch ($PathType) {
        'Leaf' { $ExecutionContext.InvokeProvider.Item.Exists($LiteralPath, $true, $true) -and -not $ExecutionContext.InvokeProvider.Item.IsContainer($LiteralPath) }
        'Container' { $ExecutionContext.InvokeProvider.Item.Exists($LiteralPath, $true, $true) -and $ExecutionContext.InvokeProvider.Item.IsContainer($LiteralPath) }
        default { $ExecutionContext.InvokeProvider.Item.Exists($LiteralPath, $true, $true) }
    }
}

function Get-Item {
    param([string]$LiteralPath)
    $ExecutionContext.InvokeProvider.Item.Get(@($LiteralPath), $true, $true)
}

function New-Item {
    param([string]$ItemType, [string]$Path)
    $ExecutionContext.InvokeProvider.Item.New($Path, '', $ItemType, $null)
}

function Remove-Item {
    [CmdletBinding()]
    param([Alias('Path')][string]$LiteralPath, [switch]$Recurse, [switch]$Force)
    if ($ErrorActionPreference -eq 'Ignore' -and -not (Test-Path -LiteralPath $LiteralPath)) { return }
    $ExecutionContext.InvokeProvider.Item.Remove(@($LiteralPath), $Recurse, $Force, $true)
}

function Move-Item {
    param([string]$LiteralPath, [string]$Destination)
    $ExecutionContext.InvokeProvider.Item.Move(@($LiteralPath), $Destination, $false, $true) | Out-Null
}

function Copy-Item {
    param([string]$LiteralPath, [string]$Destination)
    $ExecutionContext.InvokeProvider.Item.Copy(@($LiteralPath), $Destination, $false, 0, $false, $true) | Out-Null
}

function Get-Content {
    [CmdletBinding()]
    param([string]$LiteralPath, [switch]$Raw)
    try {
        $path = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($LiteralPath)
        $text = [IO.StreamReader]::new([IO.File]::Open($path, 'Open', 'Read', 'ReadWrite, Delete'))
    } catch {
        if ($ErrorActionPreference -eq 'Ignore') { return }
        throw
    }
    try { $content = $text.ReadToEnd() } finally { $text.Close() }
    if ($Raw) { $content } else { ($content -replace '\r?\n\z') -split '\r?\n' }
}

function Set-Content {
    param([string]$LiteralPath, [string]$Value, [string]$Encoding)
    # Like the cmdlet: an existing file is emptied and filled, not replaced.
    $file = [IO.File]::Open($ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($LiteralPath), 'Create')
    $bytes = [Text.Encoding]::GetEncoding($Encoding).GetBytes($Value + [Environment]::NewLine)
    try { $file.Write($bytes, 0, $bytes.Length) } finally { $file.Close() }
}

function Get-FileHash {
    param([string]$LiteralPath, [string]$Algorithm)
    $file = [IO.File]::OpenRead($LiteralPath)
    try { $hash = [Security.Cryptography.HashAlgorithm]::Create($Algorithm).ComputeHash($file) } finally { $file.Close() }
    [pscustomobject]@{ Algorithm = $Algorithm; Hash = [BitConverter]::ToString($hash).Replace('-', ''); Path = $LiteralPath }
}

function Expand-Archive {
    param([string]$LiteralPath, [string]$DestinationPath)
    [IO.Compression.ZipFile]::ExtractToDirectory($LiteralPath, $DestinationPath)
}

function Invoke-WebRequest {
    param([switch]$UseBasicParsing, [uri]$Uri, [string]$OutFile)
    [IO.File]::WriteAllText($ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($OutFile), (Invoke-RestMethod -Uri $Uri))
}

function Invoke-RestMethod {
    param([uri]$Uri)
    $web = [Net.Http.HttpClient]::new()
    $web.DefaultRequestHeaders.Add('User-Agent', 'Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1237')
    $web.GetStringAsync($Uri).GetAwaiter().GetResult()
}

function Invoke-Expression {
    param([Parameter(ValueFromPipeline)][string]$Command)
    process { . ([scriptblock]::Create($Command)) }
}
