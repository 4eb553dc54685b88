#!/bin/sh
# Stands in for the rport client in tests. It behaves as the client does towards an installer: version, config,
# refusal to run as root, state file, log lines, `--service`. The credentials in its rport.conf choose how it fails:
#   password wrong-password   the server rejects the credentials
#   password bad-handshake    something between refuses the websocket
#   password client-id-in-use / auth-id-in-use   a cloned machine, a shared account
#   password never-connects   it stays initialized for ever, without a reason in its log
#   password connects-late    it connects on the second attempt, after two seconds
#   password crashes          it ends at once
#   password no-log           it cannot write its log, and says why on stderr
#   fingerprint ff:ff:…       the server's key is another one
# The release server fills in the version and the architecture.
set -u
version='@VERSION@'
arch='@ARCH@'

usage_error() {
    echo "Error: $1" >&2
    exit 1
}

# Reads the plain values of a TOML file; understands what an installer writes, one key a line.
read_config() {
    server='' fingerprint='' auth='' id='' data_dir=/var/lib/rport log_file='' allow_root=false
    use_system_id=true watchdog_integration=false keep_alive='' max_retry_count=''
    config_section=''
    while IFS= read -r line || [ -n "$line" ]; do
        line=${line#"${line%%[! 	]*}"}
        case $line in
            '' | '#'*) continue ;;
            '['*) config_section=${line%%]*} config_section=${config_section#[} ;;
            *=*) read_pair ;;
            *) usage_error "toml: line is neither a table nor a key: $line" ;;
        esac
    done <"$1"
}

read_pair() {
    key=${line%%=*} key=${key%"${key##*[! ]}"}
    value=${line#*=} value=${value#"${value%%[! ]*}"}
    case $value in
        \"*) value=${value#\"} value=${value%\"*} ;;
        \'*) value=${value#\'} value=${value%\'*} ;;
        *) value=${value%%[ #]*} ;;
    esac
    case $config_section.$key in
        client.server) server=$value ;;
        client.fingerprint) fingerprint=$value ;;
        client.auth) auth=$value ;;
        client.id) id=$value ;;
        client.use_system_id) use_system_id=$value ;;
        client.data_dir) data_dir=$value ;;
        client.allow_root) allow_root=$value ;;
        connection.watchdog_integration) watchdog_integration=$value ;;
        connection.keep_alive) keep_alive=$value ;;
        connection.max_retry_count) max_retry_count=$value ;;
        logging.log_file) log_file=$value ;;
    esac
}

validate_config() {
    [ -r "$config" ] || usage_error "open $config: permission denied or no such file"
    read_config "$config"
    [ -n "$server" ] || usage_error 'server address is required'
    case $auth in *:*) ;; *) usage_error 'invalid auth: must be <client auth id>:<password>' ;; esac
    password=${auth#*:}
    if [ "$use_system_id" = false ] && [ -z "$id" ]; then usage_error 'id is required without use_system_id'; fi
    if [ "$watchdog_integration" = true ]; then
        [ "$max_retry_count" = -1 ] || usage_error 'watchdog_integration requires max_retry_count = -1'
        case $keep_alive in '' | 0 | 0s) usage_error 'watchdog_integration requires keep_alive > 0' ;; esac
    fi
}

log() {
    if [ -n "$log_file" ]; then
        printf '%s %s\n' "$(date '+%Y/%m/%d %H:%M:%S')" "$*" >>"$log_file" || exit 1
    fi
}

write_state() {
    [ "$watchdog_integration" = true ] || return 0
    printf '{\n  "last_update": "%s",\n  "last_update_ts": %s,\n  "last_state": "%s",\n  "last_message": "%s"\n}\n' \
        "$(date -u '+%Y-%m-%dT%H:%M:%SZ')" "$(date '+%s')" "$1" "$2" >"$data_dir/state.json.$$" &&
        mv -f "$data_dir/state.json.$$" "$data_dir/state.json"
}

refused() {
    log "error: client: $1"
    write_state reconnecting "$1"
}

connected() {
    log 'info: client: Connected (Latency 1.2ms)'
    write_state connected 'connected to server'
}

connect() {
    case $fingerprint in
        ff:ff:*) refused 'connection error: ssh: handshake failed: invalid fingerprint (2a:c8:1c:5e:7f:00:11:22:33:44:55:66:77:88:99:aa)' && return 0 ;;
    esac
    case $password in
        wrong-password) refused 'Authentication failed' ;;
        bad-handshake) refused 'connection error: websocket: bad handshake' ;;
        client-id-in-use) refused "client id \"$id\" is already in use" ;;
        auth-id-in-use) refused "client auth ID is already in use: ${auth%%:*}" ;;
        never-connects) ;;
        connects-late)
            refused 'connection error: dial tcp: connect: connection refused'
            pause 2
            connected
            ;;
        *) connected ;;
    esac
}

# Sleeps so that a signal ends it at once.
pause() {
    sleep "$1" &
    sleeper=$!
    wait "$sleeper"
}

stop() {
    log 'info: client: Shutting down'
    [ -z "$sleeper" ] || kill "$sleeper" 2>/dev/null
    exit 0
}

run() {
    validate_config
    if [ "$(id -u)" = 0 ] && [ "$allow_root" != true ]; then
        usage_error 'Running as root is not allowed. By running as root your system may be at risk. Set allow_root to true in the config.'
    fi
    if [ "$password" = crashes ]; then
        log 'error: client: panic: runtime error: invalid memory address'
        echo 'panic: runtime error: invalid memory address' >&2
        exit 2
    fi
    [ "$password" != no-log ] || usage_error "open $log_file: no space left on device"
    mkdir -p "$data_dir/scripts" || exit 1
    sleeper=
    trap stop TERM INT
    log "info: client: rport $version ($arch) starting, connecting to $server"
    write_state initialized 'client initialized'
    connect
    while :; do pause 3600; done
}

# The client's own service set-up, as its service library does it where neither systemd nor OpenRC runs.
service() {
    script=/etc/init.d/rport
    case $1 in
        install)
            validate_config
            [ -d /etc/init.d ] || usage_error 'Failed to install: no such directory: /etc/init.d'
            [ ! -e "$script" ] || usage_error "Failed to install: Init already exists: $script"
            write_init_script >"$script" && chmod 0755 "$script"
            # As the library does, without regard to links that are there already, and `uninstall` leaves them.
            for link in /etc/rc2.d/S50rport /etc/rc3.d/S50rport /etc/rc4.d/S50rport /etc/rc5.d/S50rport \
                /etc/rc0.d/K02rport /etc/rc1.d/K02rport /etc/rc6.d/K02rport; do
                ln -s "$script" "$link" 2>/dev/null
            done
            return 0
            ;;
        uninstall) rm "$script" ;;
        start | stop) "$script" "$1" ;;
        *) usage_error "Unknown service command: $1" ;;
    esac
}

write_init_script() {
    cat <<SCRIPT
#!/bin/sh
# chkconfig: - 99 01
### BEGIN INIT INFO
# Provides: $0
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
user='$service_user'
pid_file=/var/run/rport.pid
is_running() { [ -f "\$pid_file" ] && kill -0 "\$(cat "\$pid_file")" 2>/dev/null; }
case \$1 in
    start)
        if is_running; then
            echo 'Already started'
        elif [ -n "\$user" ]; then
            su -s /bin/sh -c 'exec $0 -c $config' "\$user" >>/var/log/rport.log 2>>/var/log/rport.err &
            echo \$! >"\$pid_file"
        else
            $0 -c $config >>/var/log/rport.log 2>>/var/log/rport.err &
            echo \$! >"\$pid_file"
        fi
        ;;
    stop)
        if is_running; then
            kill "\$(cat "\$pid_file")"
            rm -f "\$pid_file"
        else
            echo 'Not running'
        fi
        ;;
    restart) "\$0" stop; "\$0" start ;;
    status) if is_running; then echo Running; else echo Stopped; exit 1; fi ;;
    *) echo "Usage: \$0 {start|stop|restart|status}"; exit 1 ;;
esac
SCRIPT
}

main() {
    config='' service_command='' service_user=''
    while [ $# -gt 0 ]; do
        case $1 in
            --version) printf ' version %s\n' "$version" && exit 0 ;;
            -c | --config) [ $# -gt 1 ] || usage_error "flag needs an argument: $1" && config=$2 && shift 2 ;;
            --service) [ $# -gt 1 ] || usage_error "flag needs an argument: $1" && service_command=$2 && shift 2 ;;
            --service-user) [ $# -gt 1 ] || usage_error "flag needs an argument: $1" && service_user=$2 && shift 2 ;;
            *) usage_error "unknown flag: $1" ;;
        esac
    done
    [ -n "$config" ] || usage_error 'server address is required. See --help'
    if [ -n "$service_command" ]; then service "$service_command"; else run; fi
}

main "$@"
