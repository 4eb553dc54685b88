#!/bin/sh
# The pairing service could not hand out an installer. Run as a script, this says why and fails.
{
	printf 'rport installer: %s\n' '<%= it.reason %>' >&2
	exit 1
}
