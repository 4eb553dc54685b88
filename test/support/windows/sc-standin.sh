#!/bin/sh
# Stands in for sc.exe beside standins.ps1.
printf 'sc.exe %s\n' "$*" >>"$STANDIN_DIR/calls"
case $1 in
delete) rm "$STANDIN_DIR/service" ;;
failure) [ "${STANDIN_SC-}" != fails ] ;;
*) exit 1 ;;
esac
