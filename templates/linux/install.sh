#!/bin/sh
# Installs the RPort client and connects it to its server; -h tells more. POSIX sh.
# No shell begins before it has read the last brace: a script cut off on its way does nothing.
{

	main() {
		set -u
		umask 077
		export LC_ALL=C
		PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
		settings
		facts
		trap 'finish $?' EXIT
		trap 'exit 129' HUP
		trap 'exit 130' INT
		trap 'exit 143' TERM

		parse_flags "$@"
		case $action in
		help) help ;;
		version) print_versions ;;
		uninstall) uninstall ;;
		install)
			preflight
			download
			install_client
			start_service
			await_connection
			;;
		esac
	}

	# The only lines that differ from one installer to the next.
	settings() {
		script_version='<%= it.version %>'
		public_url='<%= it.publicUrl %>'
		rport_releases='<%= it.rportReleasesUrl %>'
		rport_version='<%= it.rportVersion %>'
		tacoscript_releases='<%= it.tacoscriptReleasesUrl %>'
		connect_url='<%= it.connectUrl %>'
		server_toml='<%= it.serverToml %>'
		fingerprint_toml='<%= it.fingerprintToml %>'
		auth_toml='<%= it.authToml %>'
		default_flags='<%= it.letters %>'
		default_account='<%= it.account %>'
		default_tags='<%= it.tagsToml %>'
	}

	facts() {
		client=/usr/local/bin/rport
		config_dir=/etc/rport
		config=$config_dir/rport.conf
		# What an install added, so that -u need not guess.
		manifest=$config_dir/.installer
		data_dir=/var/lib/rport
		log_dir=/var/log/rport
		log=$log_dir/rport.log
		state=$data_dir/state.json
		unit=/etc/systemd/system/rport.service
		init_script=/etc/init.d/rport
		sudoers=/etc/sudoers.d/rport
		tacoscript=/usr/local/bin/tacoscript
		tacoscript_version=0.0.9

		# What this run has changed so far, newest first.
		work='' staged='' changing='' created='' replaced='' added='' registered='' was_active=''
	}

	help() {
		cat <<'EOF'
Installs the RPort client and connects it to its server.

  curl -sSL PAIRING_URL | sudo sh -s -- [FLAGS]

  -f       overwrite an existing installation; its client id is kept
  -x       let the server run any command and script
  -s       sudo without password for the account: with -x, full root
  -a USER  run as USER, added if missing, instead of rport
  -r       let the server send files
  -b       with -r: sudo rules to put those files anywhere
  -i       install Tacoscript as well
  -g TAG   tag the client; may be repeated
  -d       random client id instead of the machine id
  -t       newest unstable release
  -z URL   package from this URL or local path
  -n       dry run: print what would be done, change nothing
  -u       uninstall client, configuration and logs
  -v       print versions
  -h       print this
-c -l -p have no effect.

EOF
	}

	say() {
		printf '%s\n' "$*"
	}

	warn() {
		printf 'rport installer: warning: %s\n' "$*" >&2
	}

	# die CODE MESSAGE
	die() {
		_code=$1
		shift
		printf 'rport installer: %s\n' "$*" >&2
		exit "$_code"
	}

	has() {
		command -v "$1" >/dev/null 2>&1
	}

	parse_flags() {
		action=install force='' unstable='' commands='' sudo_all='' account=rport reception='' file_sudo=''
		with_tacoscript='' random_id='' dry_run='' package='' tags=$default_tags

		[ -z "$default_flags" ] || read_flags "-$default_flags"
		[ -z "$default_account" ] || account=$default_account
		read_flags "$@"
		[ "$reception" ] || file_sudo=''
		case $account in
		'' | [!a-z_]* | *[!a-z0-9_.-]*) die 2 "-a: not an account name" ;;
		esac
		[ "${#account}" -le 32 ] || die 2 "-a: at most 32 characters"
	}

	read_flags() {
		OPTIND=1
		while getopts :hfvtuxsa:rbig:dz:nclp _flag "$@"; do
			case $_flag in
			h) action=help ;;
			v) [ "$action" = help ] || action=version ;;
			u) [ "$action" != install ] || action=uninstall ;;
			f) force=1 ;;
			t) unstable=1 ;;
			x) commands=1 ;;
			s) sudo_all=1 ;;
			a) account=$OPTARG ;;
			r) reception=1 ;;
			b) file_sudo=1 ;;
			i) with_tacoscript=1 ;;
			g) add_tag "$OPTARG" ;;
			d) random_id=1 ;;
			z) package=$OPTARG ;;
			n) dry_run=1 ;;
			c | l | p) ;;
			:) die 2 "-$OPTARG needs a value; -h shows all flags" ;;
			*) die 2 "unknown flag -$OPTARG; -h shows all flags" ;;
			esac
		done
		shift $((OPTIND - 1))
		[ $# -eq 0 ] || die 2 "unexpected argument; -h shows all flags"
	}

	add_tag() {
		case $1 in
		'' | [!A-Za-z0-9]* | *[!A-Za-z0-9\ ._:@/+-]*) die 2 "-g: a tag has letters, digits, spaces and . _ : @ / + - only" ;;
		esac
		[ "${#1}" -le 64 ] || die 2 "-g: at most 64 characters"
		tags="$tags${tags:+, }\"$1\""
	}

	print_versions() {
		say "installer $script_version"
		say "rport $(version_of rport || say "is not installed")"
	}

	# The client prints " version 0.9.14".
	version_of() {
		_version=$("$1" --version 2>/dev/null </dev/null) || return 1
		say "${_version##* }"
	}

	# Nothing is changed yet.
	preflight() {
		[ "$connect_url" ] || die 2 "this script holds no credentials: it can only uninstall, by -u"
		[ "$dry_run" ] || need_root
		find_architecture
		find_tools
		find_service_manager
		refuse_server
		[ "$manager" ] || die 4 "no service manager: no systemd, OpenRC or init"
		if [ -z "$force" ]; then
			for _path in "$client" "$config" "$unit" "$init_script" /usr/bin/rport; do
				[ ! -e "$_path" ] || die 5 "already installed ($_path exists); nothing was changed. -f overwrites, -u removes"
			done
		fi
		reach_server
	}

	refuse_server() {
		[ ! -e "$config_dir/rportd.conf" ] || die 4 "the RPort server is on this machine, and has the same directories"
	}

	need_root() {
		[ "$(id -u)" -eq 0 ] || die 3 "this needs root; run it with sudo"
	}

	find_architecture() {
		[ "$(uname -s)" = Linux ] || die 4 "this system is not Linux"
		_machine=$(uname -m)
		case $_machine in
		x86_64 | s390x) arch=$_machine ;;
		i[3-6]86) arch=i386 ;;
		aarch64*) arch=arm64 ;;
		armv6*) arch=armv6 ;;
		armv7* | armv8*) arch=armv7 ;;
		mips | mips64)
			# Byte six tells the byte order; soft float runs everywhere.
			[ "$(od -An -tu1 -j5 -N1 /bin/sh | tr -d ' ')" != 1 ] || _machine=${_machine}le
			arch=${_machine}_softfloat
			;;
		*) die 4 "no rport client for this architecture ($_machine)" ;;
		esac
	}

	find_tools() {
		for _tool in cut find grep gzip id mktemp sed sort stat tail tar tr; do
			need "$_tool"
		done
		need curl wget
		need sha256sum shasum openssl
		id "$account" >/dev/null 2>&1 || need useradd adduser
		downloader=wget
		if has curl; then
			downloader=curl
		elif ! wget --version 2>/dev/null | grep -q GNU; then
			downloader=busybox
		fi
	}

	# need TOOL...: any one of them
	need() {
		for _tool; do
			! has "$_tool" || return 0
		done
		die 4 "missing tool: $*"
	}

	find_service_manager() {
		manager=''
		if [ -d /run/systemd/system ] && has systemctl; then
			manager=systemd
		elif has rc-service && has rc-update; then
			manager=openrc
		elif [ -d /etc/init.d ] && [ "$(cat /proc/1/comm 2>/dev/null)" = init ]; then
			manager=client
		fi
	}

	# Any answer will do; no proxy, since the client knows none from the environment.
	reach_server() {
		_url=$(say "$connect_url" | sed 's/^ws/http/')
		_status=0
		_answer=$(
			unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY
			if [ "$downloader" = curl ]; then
				curl -gsS -o /dev/null --max-time 15 "$_url" 2>&1
			else
				run_wget --spider "$_url" 2>&1
			fi
		) || _status=$?
		case $downloader/$_status/$_answer in
		# No HTTP, or a broken answer, by curl; an HTTP error by wget.
		*/0/* | curl/1/* | curl/52/* | curl/56/* | wget/8/* | busybox/*"server returned error"*) ;;
		*) die 8 "$connect_url is not reachable; nothing was changed ($(say "$_answer" | tail -n 1))" ;;
		esac
	}

	download() {
		if [ "$dry_run" ]; then
			say "would download ${package:-rport ${unstable:+newest unstable }$rport_version ($arch)}${with_tacoscript:+ and tacoscript}"
			return
		fi
		make_work_dir
		fetch_client
		[ -z "$with_tacoscript" ] || fetch_tacoscript
	}

	fetch_client() {
		case $package in
		'')
			resolve_version
			say "Downloading rport $rport_version ($arch)"
			fetch_verified "$rport_releases/download/$rport_version" "$rport_version" rport || die $? "$_why"
			;;
		http://* | https://*)
			say "Downloading $package"
			fetch "$package" "$work/rport.tar.gz" || die 6 "$_why"
			;;
		*) cp -- "$package" "$work/rport.tar.gz" || die 6 "could not read $package" ;;
		esac
		[ -z "$package" ] || warn "$package is not verified: it has no checksum"
		unpack rport || die 6 "the package is damaged: it holds no rport"
		chmod 700 "$work/rport"
		client_version=$(version_of "$work/rport") || die 4 "the downloaded rport does not run here"
		[ "$package" ] || [ "$client_version" = "$rport_version" ] || die 6 "the package holds rport $client_version instead"
	}

	# Beside the client: programs run there, and not everywhere in /tmp.
	make_work_dir() {
		work=$(mktemp -d "${client%/*}/.rport.XXXXXX") || die 1 "could not write to ${client%/*}; nothing was changed"
	}

	resolve_version() {
		if [ "$unstable" ]; then
			fetch "$rport_releases.atom" "$work/releases" || die 6 "$_why"
			rport_version=$(sed -n 's|.*href="[^"]*/tag/\([^"/]*\)".*|\1|p' "$work/releases" | sed -n 1p)
		elif [ "$rport_version" = latest ]; then
			rport_version=$(redirect_of "$rport_releases/latest" | sed -n 's|.*/tag/\([^/]*\)$|\1|p')
		fi
		case $rport_version in
		'' | *[!0-9A-Za-z.+-]*) die 6 "no newest release found at $rport_releases" ;;
		esac
	}

	# fetch URL FILE: fails with _why.
	fetch() {
		_why="could not download $1"
		if [ "$downloader" = curl ]; then
			_protocols='=http,https'
			case $1 in
			https:*) _protocols='=https' ;;
			esac
			curl -gfsSL --proto "$_protocols" --connect-timeout 15 -y 30 --retry 3 -o "$2" "$1"
		else
			run_wget -q -O "$2" "$1"
		fi
	}

	# Some versions of busybox crash by -T.
	run_wget() {
		if [ "$downloader" = busybox ]; then
			wget "$@"
		else
			wget -T 15 -t 2 "$@"
		fi
	}

	# redirect_of URL
	redirect_of() {
		if [ "$downloader" = curl ]; then
			curl -sS -o /dev/null --connect-timeout 15 -w '%{redirect_url}' "$1"
			say ''
		else
			run_wget -S -O /dev/null "$1" 2>&1 | sed -n 's/^ *[Ll]ocation: *\([^ ]*\).*/\1/p' | sed -n 1p
		fi | tr -d '\r'
	}

	# fetch_verified BASE VERSION PROGRAM: fails with the exit code and _why.
	fetch_verified() {
		_name=$3_$2_linux_$arch.tar.gz
		fetch "$1/$_name" "$work/$3.tar.gz" || return 6
		fetch "$1/checksums.txt" "$work/checksums.txt" || return 6
		_why="$1/$_name does not have the checksum that checksums.txt gives"
		_expected=$(sed -n "s|^\([0-9a-fA-F]\{64\}\) [ *]$_name\$|\1|p" "$work/checksums.txt" | tr A-F a-f)
		[ "$_expected" ] && [ "$_expected" = "$(sha256_of "$work/$3.tar.gz")" ] || return 7
	}

	sha256_of() {
		if has sha256sum; then
			sha256sum
		elif has shasum; then
			shasum -a 256
		else
			openssl dgst -sha256 -r
		fi <"$1" | cut -c 1-64
	}

	# unpack PROGRAM
	unpack() {
		tar -xzf "$work/$1.tar.gz" -C "$work" 2>/dev/null && [ -f "$work/$1" ] && [ ! -L "$work/$1" ]
	}

	# The client works without it.
	fetch_tacoscript() {
		if [ -e "$tacoscript" ] && ! grep -qx tacoscript "$manifest" 2>/dev/null; then
			_why="$tacoscript exists already"
		elif fetch_verified "$tacoscript_releases/download/v$tacoscript_version" "$tacoscript_version" tacoscript; then
			! unpack tacoscript || return 0
			_why="its package is damaged"
		fi
		warn "Tacoscript is not installed: $_why"
	}

	install_client() {
		! is_registered || registered=1
		[ -z "$registered" ] || ! manage is-active || was_active=1
		changing=1
		add_account
		for _dir in "$data_dir" "$log_dir"; do
			change "make $_dir" make_account_dir "$_dir"
		done
		change "make $config_dir" make_dir "$config_dir" 755 root:
		change "write $client" put "$client" 755 root: cat "$work/rport"
		[ ! -f "$work/tacoscript" ] || change "write $tacoscript" put "$tacoscript" 755 root: cat "$work/tacoscript"
		change "write $manifest" put "$manifest" 644 root: print_manifest
		choose_client_id
		change "write $config" put "$config" 600 "$account:" print_config
		add_sudo_rules
		add_service
	}

	is_registered() {
		[ -e "$unit" ] || [ -e "$init_script" ]
	}

	# change WHAT COMMAND...: the one way to change the machine; a dry run tells.
	change() {
		if [ "$dry_run" ]; then
			say "would $1"
			return
		fi
		_what=$1
		shift
		"$@" || die 1 "could not $_what"
	}

	# make_dir DIRECTORY MODE OWNER
	make_dir() {
		if [ ! -e "$1" ]; then
			created="$1 $created"
			mkdir "$1" || return
		fi
		chown "$3" "$1" && chmod "$2" "$1"
	}

	# An earlier install may have had another account.
	make_account_dir() {
		[ ! -d "$1" ] || [ -z "$(find "$1" -prune ! -user "$account")" ] || chown -Rh "$account:" "$1" || return
		make_dir "$1" 750 "$account:"
	}

	# put FILE MODE OWNER COMMAND...: makes the file what the command prints, by one rename.
	# The mode is that of mktemp, 600, until then: nobody else can read it at any moment.
	put() {
		_file=$1 _mode=$2 _owner=$3
		shift 3
		[ -d "${_file%/*}" ] || make_dir "${_file%/*}" 755 root: || return
		staged=$(mktemp "${_file%/*}/.rport.XXXXXX") || return
		"$@" >"$staged" && chown "$_owner" "$staged" && chmod "$_mode" "$staged" || return
		keep "$_file" && mv -f "$staged" "$_file" || return
		staged=''
	}

	# Keeps a file for a rollback.
	keep() {
		if [ -e "$1" ]; then
			mkdir -p "$work/kept${1%/*}" && cp -p "$1" "$work/kept$1" || return
			replaced="$1 $replaced"
		else
			created="$1 $created"
		fi
	}

	drop() {
		keep "$1" && rm -f "$1"
	}

	add_account() {
		! id "$account" >/dev/null 2>&1 || return 0
		added=$account
		change "add the account $account" create_account "$account"
	}

	create_account() {
		_shell=$(command -v nologin || command -v false)
		if has useradd; then
			_group=-U
			! grep -q "^$1:" /etc/group || _group="-g$1"
			useradd -r -M -d "$data_dir" -s "$_shell" "$_group" "$1"
		else
			grep -q "^$1:" /etc/group || addgroup -S "$1" || return
			adduser -S -D -H -h "$data_dir" -s "$_shell" -G "$1" "$1"
		fi
	}

	delete_account() {
		# What the server has started may still run, and start more: only the kernel gets all of it.
		! has su || su -s /bin/sh "$1" -c 'kill -s KILL -- -1' 2>/dev/null
		pause
		if has userdel; then
			userdel "$1"
		else
			deluser "$1"
			! grep -q "^$1:" /etc/group || delgroup "$1"
		fi
	}

	print_manifest() {
		{
			[ ! -f "$manifest" ] || cat "$manifest"
			[ -z "$added" ] || say "account $added"
			[ ! -f "$work/tacoscript" ] || say tacoscript
		} | sort -u
	}

	# An existing id is kept, but by -d not the machine's, which clones share.
	choose_client_id() {
		machine_id=$(cat /etc/machine-id /var/lib/dbus/machine-id 2>/dev/null | sed -n '/^[0-9a-f]\{32\}$/{p;q;}')
		client_id=$(sed -n "s/^[[:space:]]*id[[:space:]]*=[[:space:]]*[\"']\([A-Za-z0-9._ -]*\)[\"'].*/\1/p" "$config" 2>/dev/null | sed -n 1p)
		[ -z "$random_id" ] || [ "$client_id" != "$machine_id" ] || client_id=''
		[ "$client_id" ] || [ "$random_id" ] || client_id=$machine_id
		[ "$client_id" ] || client_id=$(cat /proc/sys/kernel/random/uuid)
	}

	# By cat: where printf is a program, its arguments are public.
	print_config() {
		cat <<EOF
# Edit this file as you like, then restart the service rport.

[client]
server = $server_toml
fingerprint = $fingerprint_toml
# "<client auth id>:<password>"
auth = $auth_toml
# Unique; the server keeps this machine's history under it.
id = "$client_id"
use_system_id = false
# Or false, and name = "..."
use_hostname = true
tags = [$tags]
data_dir = "$data_dir"
allow_root = $(enabled "$([ "$account" != root ] || say 1)")
updates_interval = '4h'
# proxy = "http://user:password@proxy.example.com:3128"

[connection]
keep_alive = '3m'
max_retry_count = -1
max_retry_interval = '5m'
watchdog_integration = true

[logging]
log_file = "$log"
log_level = "info" # or error, debug

[remote-commands]
# May the server run commands, and which (regular expressions)?
enabled = $(enabled "$commands")
allow = [$([ -z "$commands" ] || say "'.*'")]
deny = []

[remote-scripts]
# May it run scripts? Needs remote commands.
enabled = $(enabled "$commands")

[file-reception]
# May it send files?
enabled = $(enabled "$reception")

[monitoring]
enabled = true
# Network cards and their speed in Mbit/s.
$(print_cards)

[interpreter-aliases]
$(print_interpreters)
EOF
	}

	enabled() {
		if [ "$1" ]; then say true; else say false; fi
	}

	# The first card with a private address, and the first with a public one.
	print_cards() {
		has ip || return 0
		_lan='' _wan=''
		for _entry in $(ip -o -4 addr show 2>/dev/null | sed -n 's/^[0-9]*: *\([A-Za-z0-9._-]*\) .*inet \([0-9.]*\).*/\1=\2/p'); do
			case $_entry in
			lo=* | docker*=* | veth*=* | virbr*=* | br-*=* | *=127.* | *=169.254.*) ;;
			*=10.* | *=192.168.* | *=172.1[6-9].* | *=172.2?.* | *=172.3[01].* | *=100.6[4-9].* | *=100.[7-9]?.* | *=100.1[0-2]?.*)
				[ "$_lan" ] || print_card net_lan "${_entry%%=*}"
				_lan=1
				;;
			*)
				[ "$_wan" ] || print_card net_wan "${_entry%%=*}"
				_wan=1
				;;
			esac
		done
	}

	# print_card KEY CARD: virtual cards have no speed, or -1.
	print_card() {
		_speed=$(cat "/sys/class/net/$2/speed" 2>/dev/null)
		case $_speed in
		'' | 0 | *[!0-9]*) _speed=1000 ;;
		esac
		say "$1 = ['$2', '$_speed']"
	}

	print_interpreters() {
		for _name in bash zsh ksh fish python3 perl ruby php node pwsh tacoscript; do
			_path=$(command -v "$_name")
			case $_path in
			'' | *[!A-Za-z0-9/._+-]*) ;;
			*) say "$_name = '$_path'" ;;
			esac
		done
	}

	add_sudo_rules() {
		_updates='' _all='' _files='' _rule="$account ALL=NOPASSWD:" _received="$data_dir/filepush/*_rport_filepush"
		if ! has visudo; then
			[ -z "$sudo_all$file_sudo" ] || warn "no sudo here, so no sudo rules"
			return 0
		elif [ "$account" = root ]; then
			warn "the client runs as root: who controls the server controls this machine"
		else
			if has apt-get; then
				_updates="$_rule /usr/bin/apt-get update -o Debug\:\:NoLocking=true"
			elif has zypper; then
				_updates="$_rule /usr/bin/zypper refresh"
			fi
			[ -z "$sudo_all" ] || _all="$account ALL=(ALL) NOPASSWD: ALL"
			[ -z "$file_sudo" ] ||
				_files="$_rule /usr/bin/chown * $_received
$_rule /usr/bin/mv $_received *"
		fi
		sudo_rules "$sudoers-update-status" "$_updates"
		sudo_rules "$sudoers-all-cmd" "$_all"
		sudo_rules "$sudoers-filereception" "$_files"
	}

	# sudo_rules FILE RULES: none remove those of an earlier install.
	sudo_rules() {
		if [ "$2" ]; then
			change "write $1" put_sudo_rules "$1" "$2"
		elif [ -e "$1" ]; then
			change "remove $1" drop "$1"
		fi
	}

	# A broken file would lock all out of sudo, so visudo reads it first.
	put_sudo_rules() {
		say "$2" >"$work/sudoers" && visudo -c -q -f "$work/sudoers" && put "$1" 440 root: cat "$work/sudoers"
	}

	add_service() {
		case $manager in
		systemd) change "write $unit" put "$unit" 644 root: print_unit ;;
		openrc) change "write $init_script" put "$init_script" 755 root: print_init_script ;;
		client) change "make way for $init_script" drop "$init_script" ;;
		esac
		change "enable the service rport" manage enable
	}

	print_unit() {
		cat <<EOF
[Unit]
Description=RPort client
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=$client -c $config
User=$account
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
EOF
	}

	print_init_script() {
		cat <<EOF
#!/sbin/openrc-run
supervisor=supervise-daemon
command=$client
command_args="-c $config"
command_user=$account
respawn_delay=5
respawn_max=0

depend() {
	want net
	after firewall
}
EOF
	}

	# manage enable|disable|start|stop|is-active
	manage() {
		case $manager/$1 in
		systemd/enable) systemctl daemon-reload && systemctl --quiet enable rport.service ;;
		systemd/*) systemctl --quiet "$1" rport.service ;;
		openrc/enable) rc-update -q add rport default ;;
		openrc/disable) [ ! -e /etc/runlevels/default/rport ] || rc-update -q del rport default ;;
		openrc/is-active) rc-service -q rport status >/dev/null 2>&1 ;;
		openrc/*) rc-service -q rport "$1" ;;
		client/enable) "$client" --service install -c "$config" --service-user "$account" ;;
		client/disable) "$client" --service uninstall -c "$config" ;;
		client/is-active) [ -e "$init_script" ] ;;
		client/*) "$client" --service "$1" -c "$config" ;;
		esac
	}

	# Without the old state, what the file says later is news.
	start_service() {
		[ -z "$registered" ] || change "stop the service rport" manage stop
		change "forget the last state of the connection" rm -rf "$state"
		log_size=0
		[ ! -f "$log" ] || log_size=$(wc -c <"$log")
		change "start the service rport" manage start
		changing=''
	}

	await_connection() {
		[ -z "$dry_run" ] || return 0
		say "Waiting for the connection to $connect_url"
		_deadline=$(($(date +%s) + 30))
		# These do not heal with time.
		_final='Authentication failed|invalid fingerprint'
		while [ "$(date +%s)" -lt "$_deadline" ] && ! new_log | grep -Eq "$_final"; do
			if [ -f "$state" ] && grep -q '"last_state": *"connected"' "$state"; then
				cat <<EOF
rport $client_version is connected to $connect_url

  client id  $client_id
  runs as    $account
  config     $config
  log        $log
  uninstall  curl -sSL $public_url/uninstall | sudo sh
EOF
				return
			fi
			pause
		done
		_reason=$(new_log | grep -E "$_final|already in use|connection error" | tail -n 1)
		[ "$_reason" ] || _reason=$(new_log | tail -n 1)
		die 9 "installed, but not connected: ${_reason:-the client has logged nothing}
The client goes on trying (log: $log). For other credentials, pair anew, with -f."
	}

	# Some systems sleep whole seconds only.
	pause() {
		sleep 0.2 2>/dev/null || sleep 1
	}

	# The log since this start.
	new_log() {
		[ -f "$log" ] || return 0
		tail -c "+$((log_size + 1))" "$log" | tr -cd '[:print:]\n'
	}

	finish() {
		trap - EXIT
		trap '' HUP INT TERM
		[ -z "$staged" ] || rm -f "$staged"
		[ "$1" -eq 0 ] || [ -z "$changing" ] || [ "$dry_run" ] || roll_back
		[ -z "$work" ] || rm -rf "$work"
		exit "$1"
	}

	roll_back() {
		warn "failed; what was changed is put back"
		if [ -z "$registered" ] && is_registered; then
			manage stop
			manage disable
			rm -f /etc/rc?.d/[SK]??rport
		fi
		for _path in $created; do
			rm -rf "$_path"
		done
		for _path in $replaced; do
			mv -f "$work/kept$_path" "$_path" || warn "could not put $_path back"
		done
		if [ "$registered" ] && [ -f "$config" ]; then
			account=$(stat -c %U "$config")
			make_account_dir "$data_dir"
			make_account_dir "$log_dir"
		fi
		[ "$manager" != systemd ] || systemctl daemon-reload
		! id "$added" >/dev/null 2>&1 || delete_account "$added"
		[ -z "$was_active" ] || manage start
	}

	uninstall() {
		[ "$dry_run" ] || need_root
		refuse_server
		find_service_manager
		removed=''
		find_accounts
		remove_service
		remove_package
		! grep -qx tacoscript "$manifest" 2>/dev/null || remove "$tacoscript"
		remove "$client" "$data_dir" "$log_dir" "$sudoers-update-status" "$sudoers-all-cmd" "$sudoers-filereception" \
			/etc/apt/sources.list.d/rport.list /etc/yum.repos.d/rport.repo /var/log/rport.log /var/log/rport.err "$config_dir"
		for _account in $accounts; do
			! id "$_account" >/dev/null 2>&1 || change "remove the account $_account" delete_account "$_account"
		done
		[ "$removed" ] || say "rport is not installed; there is nothing to remove"
		[ -z "$removed" ] || [ "$dry_run" ] || say "rport was removed"
	}

	# Those that an install added. Older installers wrote no manifest; theirs has this home.
	find_accounts() {
		accounts=''
		if [ -f "$manifest" ]; then
			accounts=$(sed -n 's/^account //p' "$manifest")
		elif [ -e "$config" ] && grep -q "^rport:.*:$data_dir:[^:]*$" /etc/passwd; then
			accounts=rport
		fi
	}

	remove_service() {
		[ "$manager" != client ] || [ -x "$client" ] || manager=''
		if [ "$manager" ] && is_registered; then
			! manage is-active || change "stop the service rport" manage stop
			change "disable the service rport" manage disable
		fi
		remove "$unit" "$init_script" /etc/systemd/system/multi-user.target.wants/rport.service /etc/rc?.d/[SK]??rport
		[ "$manager" != systemd ] || change "reload systemd" systemctl daemon-reload
	}

	remove_package() {
		if has dpkg && dpkg -s rport >/dev/null 2>&1; then
			change "purge the package rport" dpkg --purge rport
		elif has rpm && rpm -q rport >/dev/null 2>&1; then
			change "remove the package rport" rpm -e rport
		else
			return 0
		fi
		removed=1
	}

	remove() {
		for _path; do
			if [ -e "$_path" ] || [ -L "$_path" ]; then
				removed=1
				change "remove $_path" rm -rf "$_path"
			fi
		done
	}

	main "$@"
}
