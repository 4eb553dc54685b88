# The pairing service could not hand out an installer. Run as a script, this says why and fails.

& {
	$reason = 'rport installer: <%= it.reason %>'
	# In Constrained Language Mode nothing may be called on an object.
	if ($ExecutionContext.SessionState.LanguageMode -eq 'FullLanguage') { $Host.UI.WriteErrorLine($reason) }
	else { Write-Error -Message $reason -ErrorAction Continue }
	$global:LASTEXITCODE = 1
	# Run as text there is no file, and exit would close the user's window.
	if ({}.File) { exit 1 }
}
