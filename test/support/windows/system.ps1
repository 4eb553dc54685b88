# The cmdlets that reach into Windows, over the real thing: its service manager, registry and file security.

function Start-Service {
    param([string]$Name)
    $service = [ServiceProcess.ServiceController]::new($Name)
    $service.Start()
    $service.WaitForStatus('Running', [TimeSpan]::FromSeconds(120))
}

function Stop-Service {
    param([string]$Name, [switch]$Force)
    $service = [ServiceProcess.ServiceController]::new($Name)
    if ($service.Status -eq 'Stopped') { return }
    $service.Stop()
    $service.WaitForStatus('Stopped', [TimeSpan]::FromSeconds(120))
}

function Get-CimInstance {
    param([string]$ClassName, [string]$Filter)
    if ($ClassName -eq 'Win32_ComputerSystemProduct') { return [pscustomobject]@{ UUID = $env:STANDIN_UUID } }
    $name = $Filter -replace "^Name='(.*)'$", '$1'
    $service = [ServiceProcess.ServiceController]::GetServices() | Where-Object { $_.ServiceName -eq $name }
    if (-not $service) { return }
    $key = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64').OpenSubKey("SYSTEM\CurrentControlSet\Services\$name")
    [pscustomobject]@{
        Name = $name
        State = [string]$service.Status
        StartMode = [string]$service.StartType -replace '^Automatic$', 'Auto'
        StartName = $key.GetValue('ObjectName')
        PathName = $key.GetValue('ImagePath')
    }
}

function Invoke-CimMethod {
    param([object]$InputObject, [string]$MethodName, [hashtable]$Arguments)
    $startType = @{ Automatic = 2; Manual = 3; Disabled = 4 }[$Arguments.StartMode]
    [pscustomobject]@{ ReturnValue = [ServiceManager]::Change($InputObject.Name, $startType, $Arguments.PathName, $Arguments.StartName) }
}

function Set-Acl {
    param([string]$LiteralPath, [object]$AclObject)
    [FileRights]::Set($LiteralPath, $AclObject.GetSecurityDescriptorBinaryForm())
}
