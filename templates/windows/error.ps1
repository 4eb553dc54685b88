# The pairing service could not hand out an installer. Run as a script, this says why and fails.

function Write-Failure {
    $host.UI.WriteErrorLine('rport installer: <%= it.reason %>')
}

function Invoke-Main {
    Write-Failure
    $global:LASTEXITCODE = 1
    if ($PSCommandPath) { exit 1 }
}

& { Invoke-Main }
