#!/bin/sh
# Stands in for rport.exe beside the stand-ins of standins.ps1; the engine runs it on Linux. The password in its
# rport.conf chooses how it fails, as in ../rport-standin.sh. Started as a service it writes log and state, and ends.
printf 'rport.exe %s\n' "$*" >>"$STANDIN_DIR/calls"

value_of() {
	sed -n "s/^$1 = [\"']\(.*\)[\"']\$/\1/p" "$config"
}

log() {
	printf '2026/11/24 12:00:00 %s\n' "$*" >>"$log"
}

state() {
	printf '{\n  "last_update_ts": 1,\n  "last_state": "%s"\n}\n' "$1" >"$data_dir/state.json"
}

run() {
	log=$(value_of log_file) data_dir=$(value_of data_dir)
	log 'info: client: starting'
	state initialized
	case $(value_of auth) in
	*:wrong-password) log 'error: client: Authentication failed' ;;
	*:wrong-fingerprint) log 'error: client: connection error: ssh: handshake failed: invalid fingerprint (2a:c8)' ;;
	*:bad-handshake) log 'error: client: connection error: websocket: bad handshake' ;;
	*:client-id-in-use) log 'error: client: client id "x" is already in use' ;;
	*:never-connects) ;;
	*:connects-late) (sleep 1 && state connected) >/dev/null 2>&1 & ;;
	*) state connected ;;
	esac
}

case "$1 ${2-}" in
'--version ') printf ' version %s\n' '@VERSION@' ;;
'-c '*) config=$2 && run ;;
'--service install')
	[ ! -e "$STANDIN_DIR/service" ] || exit 1
	printf 'Name=rport\nState=Stopped\nStartMode=Manual\nStartName=LocalSystem\nPathName="%s" -c "%s"\n' "$0" "$4" >"$STANDIN_DIR/service"
	;;
*) exit 1 ;;
esac
