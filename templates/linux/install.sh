#!/bin/sh
# Installs the RPort client on this machine and connects it to its server. With -h: what it can do.
# POSIX sh. Nothing runs before the last line, so that a script cut off on its way does nothing.

trap 'echo "rport installer: this script arrived incomplete; nothing was changed. Run the command again." >&2; exit 1' EXIT

main() {
	set -u
	umask 077
	LC_ALL=C
	export LC_ALL
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
		fetch_client
		fetch_tacoscript
		install_client
		start_service
		await_connection
		;;
	esac
}

# The only lines that differ from one rendered script to the next.
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
	default_tags='<%= it.tags %>'
}

facts() {
	client=/usr/local/bin/rport
	config_dir=/etc/rport
	config=$config_dir/rport.conf
	# Lists what an uninstall cannot tell from the files: the account and the Tacoscript that an install added.
	manifest=$config_dir/.installer
	data_dir=/var/lib/rport
	log_dir=/var/log/rport
	log=$log_dir/rport.log
	state=$data_dir/state.json
	unit=/etc/systemd/system/rport.service
	init_script=/etc/init.d/rport
	sudoers_updates=/etc/sudoers.d/rport-update-status
	sudoers_all=/etc/sudoers.d/rport-all-cmd
	sudoers_files=/etc/sudoers.d/rport-filereception
	tacoscript=/usr/local/bin/tacoscript
	tacoscript_version=0.0.9
	connect_timeout=30

	# For a rollback: what this run has changed so far, newest first.
	work='' staged='' changing='' created='' replaced='' added_account='' enabled='' was_active=''
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
  -b       sudo rules for received files: any owner, any place
  -i       install Tacoscript as well
  -g TAG   tag the client; may be repeated
  -d       random client id instead of the machine id
  -t       newest unstable release
  -z URL   package from this URL or local path
  -n       dry run: print what would be done, change nothing
  -u       uninstall client, configuration and logs
  -v       print versions
  -h       print this
  -c -l -p are accepted and have no effect.

Exit codes: 0 done, 1 unexpected, 2 usage, 3 not root, 4 unsupported system,
5 already installed, 6 download failed, 7 checksum mismatch, 8 server not
reachable, 9 installed but not connected.
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
	action=install force='' unstable='' commands='' sudo_all='' account=rport reception='' reception_sudo=''
	with_tacoscript='' random_id='' dry_run='' package='' tags=''

	[ -z "$default_flags" ] || read_flags "-$default_flags"
	[ -z "$default_account" ] || account=$default_account
	while [ "$default_tags" ]; do
		add_tag "${default_tags%%,*}"
		case $default_tags in
		*,*) default_tags=${default_tags#*,} ;;
		*) default_tags='' ;;
		esac
	done
	read_flags "$@"

	case $account in
	'' | [!A-Za-z_]* | *[!A-Za-z0-9_.-]*) die 2 "-a: not an account name; use letters, digits, _ . and -" ;;
	esac
	[ "${#account}" -le 32 ] || die 2 "-a: an account name has at most 32 characters"
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
		b) reception_sudo=1 ;;
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
	[ "${#1}" -le 64 ] || die 2 "-g: a tag has at most 64 characters"
	tags="$tags${tags:+, }\"$1\""
}

print_versions() {
	say "installer $script_version"
	_client=$client
	[ -x "$_client" ] || _client=$(command -v rport) || _client=''
	if [ "$_client" ]; then
		say "rport ${_client}: $(version_of "$_client")"
	else
		say "rport: not installed"
	fi
}

# The client prints " version 0.9.14".
version_of() {
	_version=$("$1" --version 2>/dev/null </dev/null) || return 1
	say "${_version##* }"
}

# Everything that can stop an install is found out here, before anything is changed.
preflight() {
	[ "$connect_url" ] || die 2 "this script holds no credentials; use the command of a pairing, or -u to uninstall"
	[ "$dry_run" ] || need_root
	find_architecture
	find_tools
	find_service_manager
	[ "$manager" ] || die 4 "no service manager found: neither systemd nor OpenRC nor a classic init runs here"
	if [ -z "$force" ]; then
		for _path in "$client" "$config" "$unit" "$init_script" /usr/bin/rport; do
			[ ! -e "$_path" ] || die 5 "already installed ($_path exists); nothing was changed. -f overwrites it, -u removes it"
		done
	fi
	reach_server
}

need_root() {
	[ "$(id -u)" -eq 0 ] || die 3 "this needs root; run it with sudo"
}

find_architecture() {
	[ "$(uname -s)" = Linux ] || die 4 "this system is not Linux"
	_machine=$(uname -m)
	case $_machine in
	x86_64 | amd64) arch=x86_64 ;;
	i[3-6]86) arch=i386 ;;
	aarch64* | arm64) arch=arm64 ;;
	armv6*) arch=armv6 ;;
	armv7* | armv8*) arch=armv7 ;;
	s390x) arch=s390x ;;
	mips | mips64)
		# The kernel has one name for both byte orders; the sixth byte of a program tells which.
		has od || die 4 "missing tool: od"
		[ "$(od -An -tu1 -j5 -N1 /bin/sh | tr -d ' ')" != 1 ] || _machine=${_machine}le
		_float=softfloat
		! grep -qi '^fpu.*yes\|^FPU.*R[0-9]' /proc/cpuinfo || _float=hardfloat
		arch=${_machine}_$_float
		;;
	*) die 4 "there is no rport client for this architecture ($_machine)" ;;
	esac
}

find_tools() {
	for _tool in cat chmod chown cp cut date find grep gzip id mkdir mktemp mv rm sed sleep sort tail tar tr wc; do
		has "$_tool" || die 4 "missing tool: $_tool"
	done
	if has curl; then
		downloader=curl
	elif has wget; then
		downloader=wget
	else
		die 4 "missing tool: curl or wget"
	fi
	has sha256sum || has shasum || has openssl || die 4 "missing tool: sha256sum, shasum or openssl"
	id "$account" >/dev/null 2>&1 || has useradd || has adduser || die 4 "missing tool: useradd or adduser"
}

find_service_manager() {
	if [ -d /run/systemd/system ] && has systemctl; then
		manager=systemd
	elif has rc-service && has rc-update; then
		manager=openrc
	elif [ -d /etc/init.d ] && [ "$(cat /proc/1/comm 2>/dev/null)" = init ]; then
		manager=client
	else
		manager=''
	fi
}

# Any answer proves it. The client knows no proxy from the environment, so none is used here.
reach_server() {
	_url=$connect_url
	case $_url in
	ws*) _url=http${_url#ws} ;;
	esac
	_status=0
	_answer=$(
		unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY
		if [ "$downloader" = curl ]; then
			curl -sS -o /dev/null --max-time 15 "$_url" 2>&1
		else
			wget -O /dev/null -T 15 "$_url" 2>&1
		fi
	) || _status=$?
	case $downloader/$_status/$_answer in
	# curl: no HTTP, or an empty or broken answer; GNU wget: an HTTP error; then busybox wget's words for that.
	*/0/* | curl/1/* | curl/52/* | curl/56/* | wget/8/* | wget/*"server returned error"*) ;;
	*) die 8 "the server $connect_url is not reachable from here; nothing was changed ($(say "$_answer" | tail -n 1))" ;;
	esac
}

fetch_client() {
	if [ "$dry_run" ]; then
		say "would download ${package:-rport ${unstable:+newest unstable }${rport_version} ($arch) from $rport_releases}"
		return
	fi
	make_work_dir
	if [ "$package" ]; then
		fetch_package
	else
		resolve_version
		_name=rport_${rport_version}_linux_$arch.tar.gz
		say "Downloading rport $rport_version ($arch)"
		fetch_verified "$rport_releases/download/$rport_version" "$_name" "$work/rport.tar.gz" || die $? "$_why"
	fi
	unpack "$work/rport.tar.gz" rport || die 6 "the downloaded package is damaged: it holds no rport"
	chmod 700 "$work/rport"
	client_version=$(version_of "$work/rport") || die 4 "the downloaded rport does not run on this machine"
	[ "$package" ] || [ "$client_version" = "$rport_version" ] ||
		die 6 "the downloaded rport calls itself $client_version, not $rport_version"
}

# Programs are run from the private directory before they are installed, and /tmp may forbid that.
make_work_dir() {
	for _dir in "${TMPDIR:-/tmp}" /var/tmp "${client%/*}"; do
		work=$(mktemp -d "$_dir/rport.XXXXXX" 2>/dev/null) || continue
		printf '#!/bin/sh\n' >"$work/probe"
		chmod 700 "$work/probe"
		! "$work/probe" 2>/dev/null || return 0
		rm -rf "$work"
	done
	work=''
	die 1 "no temporary directory from which programs may be run"
}

fetch_package() {
	case $package in
	http://* | https://*)
		say "Downloading $package"
		fetch "$package" "$work/rport.tar.gz" || die 6 "could not download $package"
		;;
	*) cp -- "$package" "$work/rport.tar.gz" || die 6 "could not read $package" ;;
	esac
	warn "$package was not verified: there is no checksum for it"
}

resolve_version() {
	if [ "$unstable" ]; then
		fetch "$rport_releases.atom" "$work/releases" || die 6 "could not download $rport_releases.atom"
		rport_version=$(sed -n 's|.*href="[^"]*/tag/\([^"/]*\)".*|\1|p' "$work/releases" | sed -n 1p)
	elif [ "$rport_version" = latest ]; then
		rport_version=$(redirect_of "$rport_releases/latest" | sed -n 's|.*/tag/\([^/]*\)$|\1|p')
	fi
	case $rport_version in
	'' | *[!0-9A-Za-z.+-]*) die 6 "could not find out the newest release from $rport_releases" ;;
	esac
}

# fetch URL FILE
fetch() {
	if [ "$downloader" = curl ]; then
		_protocols='=http,https'
		case $1 in
		https:*) _protocols='=https' ;;
		esac
		curl -fsSL --proto "$_protocols" --connect-timeout 15 --retry 3 -o "$2" "$1"
	else
		wget -q -T 30 -O "$2" "$1"
	fi
}

# Where an address redirects to.
redirect_of() {
	if [ "$downloader" = curl ]; then
		curl -sS -o /dev/null --connect-timeout 15 -w '%{redirect_url}' "$1"
		say ''
	else
		wget -S -T 30 -O /dev/null "$1" 2>&1 | sed -n 's/^ *[Ll]ocation: *\([^ ]*\).*/\1/p' | sed -n 1p
	fi | tr -d '\r'
}

# fetch_verified BASE NAME FILE: on failure returns the exit code, with the reason in _why.
fetch_verified() {
	_why="could not download $1/$2"
	fetch "$1/$2" "$3" || return 6
	_why="could not download $1/checksums.txt"
	fetch "$1/checksums.txt" "$work/checksums.txt" || return 6
	_why="$1/$2 does not have the checksum that checksums.txt gives"
	_expected=$(sed -n "s|^\([0-9a-fA-F]\{64\}\) [ *]$2\$|\1|p" "$work/checksums.txt" | tr A-F a-f)
	[ "$_expected" ] && [ "$_expected" = "$(sha256_of "$3")" ] || return 7
}

sha256_of() {
	if has sha256sum; then
		sha256sum <"$1" | cut -d ' ' -f 1
	elif has shasum; then
		shasum -a 256 <"$1" | cut -d ' ' -f 1
	else
		openssl dgst -sha256 -r <"$1" | cut -d ' ' -f 1
	fi
}

# unpack ARCHIVE PROGRAM: takes one program out of an archive, into the work directory.
unpack() {
	tar -xzf "$1" -C "$work" "$2" 2>/dev/null || tar -xzf "$1" -C "$work" "./$2" 2>/dev/null
	[ -f "$work/$2" ] && [ ! -L "$work/$2" ]
}

# The companion is no reason to fail: the client works without it.
fetch_tacoscript() {
	[ "$with_tacoscript" ] || return 0
	if [ "$dry_run" ]; then
		say "would download tacoscript $tacoscript_version from $tacoscript_releases"
		return
	fi
	if [ -e "$tacoscript" ] && ! grep -qx tacoscript "$manifest" 2>/dev/null; then
		warn "$tacoscript exists already and is left alone"
		return
	fi
	say "Downloading tacoscript $tacoscript_version"
	_name=tacoscript_${tacoscript_version}_linux_$arch.tar.gz
	if ! fetch_verified "$tacoscript_releases/download/v$tacoscript_version" "$_name" "$work/tacoscript.tar.gz"; then
		warn "Tacoscript is not installed: $_why"
	elif ! unpack "$work/tacoscript.tar.gz" tacoscript; then
		warn "Tacoscript is not installed: its package is damaged"
	fi
}

install_client() {
	was_active=''
	! manage is-active || was_active=1
	changing=1
	add_account
	change "make $config_dir" make_dir "$config_dir" 755 root:
	change "make $data_dir" make_dir "$data_dir" 750 "$account:"
	change "make $log_dir" make_dir "$log_dir" 750 "$account:"
	[ -d "${client%/*}" ] || change "make ${client%/*}" make_dir "${client%/*}" 755 root:
	change "install $client" put "$client" 755 root: cat "$work/rport"
	add_tacoscript
	change "write $manifest" put "$manifest" 644 root: print_manifest
	choose_client_id
	change "write $config" put "$config" 600 "$account:" print_config
	add_sudo_rules
	add_service
}

# change WHAT COMMAND [ARGUMENT...]: the one way to change the machine. In a dry run it only says what would be done.
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
	if [ ! -d "$1" ]; then
		mkdir "$1" || return
		created="$1 $created"
	elif [ "$(find "$1" -prune ! -user "${3%:}")" ]; then
		# It belonged to the account of an earlier install.
		chown -Rh "$3" "$1" || return
	fi
	chown "$3" "$1" && chmod "$2" "$1"
}

# put FILE MODE OWNER COMMAND [ARGUMENT...]: makes what the command prints the content of a file, in one rename.
put() {
	_file=$1 _mode=$2 _owner=$3
	shift 3
	# Only root can read it from the first moment on: mktemp makes it with mode 600.
	staged=$(mktemp "${_file%/*}/.rport.XXXXXX") || return
	"$@" >"$staged" && chown "$_owner" "$staged" && chmod "$_mode" "$staged" || return
	keep "$_file" && mv -f "$staged" "$_file" || return
	staged=''
}

# Remembers a file as it is, before it is replaced or removed.
keep() {
	if [ -e "$1" ]; then
		mkdir -p "$work/kept${1%/*}" && cp -p "$1" "$work/kept$1" || return
		replaced="$1 $replaced"
	else
		created="$1 $created"
	fi
}

# drop FILE: removes what an earlier install made and this one was not asked for.
drop() {
	keep "$1" && rm -f "$1"
}

add_account() {
	! id "$account" >/dev/null 2>&1 || return 0
	_shell=/bin/false
	for _path in /usr/sbin/nologin /sbin/nologin; do
		[ ! -x "$_path" ] || _shell=$_path
	done
	change "add the account $account" create_account "$account" "$_shell"
	added_account=$account
}

# create_account NAME SHELL
create_account() {
	if ! has useradd; then
		grep -q "^$1:" /etc/group || addgroup -S "$1" || return
		adduser -S -D -H -h "$data_dir" -s "$2" -G "$1" "$1"
	elif grep -q "^$1:" /etc/group; then
		useradd -r -M -d "$data_dir" -s "$2" -g "$1" "$1"
	else
		useradd -r -M -d "$data_dir" -s "$2" -U "$1"
	fi
}

delete_account() {
	if has userdel; then
		userdel "$1"
	else
		deluser "$1"
		! grep -q "^$1:" /etc/group || delgroup "$1"
	fi
}

add_tacoscript() {
	[ -f "$work/tacoscript" ] || return 0
	put "$tacoscript" 755 root: cat "$work/tacoscript" || die 1 "could not install $tacoscript"
}

print_manifest() {
	{
		[ ! -f "$manifest" ] || cat "$manifest"
		[ -z "$added_account" ] || say "account $added_account"
		[ ! -f "$work/tacoscript" ] || say tacoscript
	} | sort -u
}

# An existing id is kept. With -d it gives way only if it is the machine's own, which clones share.
choose_client_id() {
	machine_id=''
	for _path in /var/lib/dbus/machine-id /etc/machine-id; do
		[ ! -r "$_path" ] || _id=$(sed -n '/^[0-9a-f]\{32\}$/p' "$_path") && [ -z "${_id-}" ] || machine_id=$_id
	done
	client_id=''
	[ ! -f "$config" ] ||
		client_id=$(sed -n "s/^[[:space:]]*id[[:space:]]*=[[:space:]]*[\"']\([^\"'\\\\]*\)[\"'].*/\1/p" "$config" | sed -n 1p)
	[ -z "$random_id" ] || [ "$client_id" != "$machine_id" ] || client_id=''
	[ "$client_id" ] || [ "$random_id" ] || client_id=$machine_id
	[ "$client_id" ] || client_id=$(cat /proc/sys/kernel/random/uuid)
}

# The TOML values hold the password. cat prints them: in some shells printf is a program, and its arguments are public.
print_config() {
	cat <<EOF
# Configuration of the RPort client. Edit it as you like, then restart the service rport.

[client]
# The server, and the fingerprint of its key.
server = $server_toml
fingerprint = $fingerprint_toml
# "<client auth id>:<password>"
auth = $auth_toml
# Unique among all clients of the server, which keeps the history of this machine under it.
id = "$client_id"
use_system_id = false
# The server shows the host name; to show another, set this to false and add: name = "..."
use_hostname = true
tags = [$tags]
data_dir = "$data_dir"
# Whether the client may run as root.
allow_root = $(enabled "$([ "$account" != root ] || say 1)")
# How often to look for pending updates of the operating system.
updates_interval = '4h'
# To connect through a proxy: proxy = "http://user:password@proxy.example.com:3128"

[connection]
keep_alive = '3m'
# -1: never give up.
max_retry_count = -1
max_retry_interval = '5m'
# Writes the state of the connection to $state.
watchdog_integration = true

[logging]
log_file = "$log"
# error, info or debug
log_level = "info"

[remote-commands]
# Whether the server may run commands, and which: regular expressions for the whole command line.
enabled = $(enabled "$commands")
allow = [$([ -z "$commands" ] || say "'.*'")]
deny = []
order = ['allow', 'deny']

[remote-scripts]
# Whether the server may run scripts. Needs remote commands.
enabled = $(enabled "$commands")

[file-reception]
# Whether the server may send files.
enabled = $(enabled "$reception")

[monitoring]
enabled = true
# The network cards to watch, each with its greatest speed in Mbit/s.
$(print_cards)

[interpreter-aliases]
# What scripts from the server can be run by, besides sh.
$(print_interpreters)
EOF
}

enabled() {
	if [ "$1" ]; then say true; else say false; fi
}

# The first card with a private IPv4 address is net_lan, the first with a public one net_wan.
print_cards() {
	has ip || return 0
	_lan='' _wan=''
	for _entry in $(ip -o -4 addr show 2>/dev/null | sed -n 's/^[0-9]*: *\([A-Za-z0-9._-]*\) .*inet \([0-9.]*\).*/\1=\2/p'); do
		_card=${_entry%%=*}
		case $_entry in
		lo=* | docker*=* | veth*=* | virbr*=* | br-*=* | *=127.* | *=169.254.*) ;;
		*=10.* | *=192.168.* | *=172.1[6-9].* | *=172.2[0-9].* | *=172.3[01].* | *=100.6[4-9].* | *=100.[7-9][0-9].* | *=100.1[01][0-9].* | *=100.12[0-7].*) _lan=${_lan:-$_card} ;;
		*) _wan=${_wan:-$_card} ;;
		esac
	done
	[ -z "$_lan" ] || say "net_lan = ['$_lan', '$(speed_of "$_lan")']"
	[ -z "$_wan" ] || say "net_wan = ['$_wan', '$(speed_of "$_wan")']"
}

# Virtual cards have no speed, or -1.
speed_of() {
	_speed=$(cat "/sys/class/net/$1/speed" 2>/dev/null) || _speed=''
	case $_speed in
	'' | 0 | *[!0-9]*) _speed=1000 ;;
	esac
	say "$_speed"
}

print_interpreters() {
	for _name in bash zsh ksh fish python python3 perl ruby php node pwsh tacoscript; do
		_path=$(command -v "$_name") || continue
		case $_path in
		*[!A-Za-z0-9/._+-]*) ;;
		/*) say "$_name = '$_path'" ;;
		esac
	done
}

# Rules of an earlier install that this one was not asked for are removed.
add_sudo_rules() {
	if ! has sudo || ! has visudo; then
		[ -z "$sudo_all$reception_sudo" ] || warn "sudo is not installed, so there are no sudo rules"
		return 0
	fi
	_updates='' _all='' _files=''
	if [ "$account" = root ]; then
		warn "the client runs as root: whoever controls the server controls this machine"
	else
		! has apt-get && ! has zypper || _updates=1
		_all=$sudo_all
		[ -z "$reception" ] || _files=$reception_sudo
		[ -z "$reception_sudo" ] || [ "$reception" ] || warn "-b has no effect without -r"
	fi
	sudo_rule "$_updates" "$sudoers_updates" print_update_rule
	sudo_rule "$_all" "$sudoers_all" print_full_rule
	sudo_rule "$_files" "$sudoers_files" print_file_rules
}

# sudo_rule WANTED FILE PRINTER
sudo_rule() {
	if [ "$1" ]; then
		change "write $2" put_sudo_rule "$2" "$3"
	elif [ -e "$2" ]; then
		change "remove $2" drop "$2"
	fi
}

# A broken file would lock everybody out of sudo, so visudo reads it first.
put_sudo_rule() {
	[ -d /etc/sudoers.d ] || make_dir /etc/sudoers.d 755 root: || return
	"$2" >"$work/sudoers" && visudo -c -q -f "$work/sudoers" && put "$1" 440 root: cat "$work/sudoers"
}

print_update_rule() {
	if has apt-get; then
		say "$account ALL=NOPASSWD: SETENV: /usr/bin/apt-get update -o Debug\:\:NoLocking=true"
	else
		say "$account ALL=NOPASSWD: SETENV: /usr/bin/zypper refresh *"
	fi
}

print_full_rule() {
	say "$account ALL=(ALL) NOPASSWD: ALL"
}

print_file_rules() {
	say "$account ALL=NOPASSWD: /usr/bin/chown * $data_dir/filepush/*_rport_filepush"
	say "$account ALL=NOPASSWD: /usr/bin/mv $data_dir/filepush/*_rport_filepush *"
}

add_service() {
	case $manager in
	systemd) change "write $unit" put "$unit" 644 root: print_unit ;;
	openrc) change "write $init_script" put "$init_script" 755 root: print_init_script ;;
	esac
	change "enable the service rport" enable_service
}

enable_service() {
	enabled=1
	manage enable
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
description="RPort client"
supervisor=supervise-daemon
command=$client
command_args="-c $config"
command_user=$account
respawn_delay=5
respawn_max=0

depend() {
	need net
	after firewall
}
EOF
}

# manage VERB: the service rport, whatever manages it. Verbs: enable, disable, start, stop, is-active.
manage() {
	case $manager/$1 in
	systemd/enable) systemctl daemon-reload && systemctl --quiet enable rport.service ;;
	systemd/*) systemctl --quiet "$1" rport.service ;;
	openrc/enable) rc-update -q add rport default ;;
	openrc/disable) rc-update -q -a del rport ;;
	openrc/is-active) rc-service -q rport status >/dev/null 2>&1 ;;
	openrc/*) rc-service -q rport "$1" ;;
	client/enable) "$client" --service install -c "$config" --service-user "$account" ;;
	client/disable) "$client" --service uninstall -c "$config" ;;
	client/is-active) [ -e "$init_script" ] ;;
	client/*) "$client" --service "$1" -c "$config" ;;
	esac
}

# The state file goes first: what it says afterwards, the new client has said.
start_service() {
	[ -z "$was_active" ] || change "stop the service rport" manage stop
	change "forget the last state of the connection" rm -f "$state"
	log_size=0
	[ ! -f "$log" ] || log_size=$(wc -c <"$log")
	change "start the service rport" manage start
	changing=''
}

await_connection() {
	[ -z "$dry_run" ] || return 0
	say "Waiting for the connection to $connect_url"
	_deadline=$(($(date +%s) + connect_timeout))
	while :; do
		_state=$(sed -n 's/.*"last_state": *"\([a-z]*\)".*/\1/p' "$state" 2>/dev/null) || _state=''
		if [ "$_state" = connected ]; then
			succeed
			return
		fi
		# These two do not heal with time.
		! new_log | grep -q -e 'Authentication failed' -e 'invalid fingerprint' || break
		[ "$(date +%s)" -lt "$_deadline" ] || break
		sleep 0.2 2>/dev/null || sleep 1
	done
	die 9 "rport is installed and goes on trying, but it is not connected: $(print_reason)
Upload the credentials again and run the new command with -f; the log is $log"
}

succeed() {
	cat <<EOF
rport $client_version is connected to $connect_url

  client id  $client_id
  runs as    $account
  config     $config
  log        $log
  uninstall  curl -sSL $public_url/uninstall | sudo sh
EOF
}

# What the client has logged since this start.
new_log() {
	[ -f "$log" ] || return 0
	tail -c "+$((log_size + 1))" "$log" | tr -cd '[:print:]\n'
}

# The client's own words for why it is not connected.
print_reason() {
	_reason=$(new_log | grep -i -e 'authentication failed' -e 'invalid fingerprint' -e 'already in use' -e 'connection error' | tail -n 1)
	[ "$_reason" ] || _reason=$(new_log | tail -n 1)
	say "${_reason:-the client has logged nothing}"
}

finish() {
	trap - EXIT
	trap '' HUP INT TERM
	[ -z "$staged" ] || rm -f "$staged"
	[ "$1" -eq 0 ] || [ -z "$changing" ] || [ "$dry_run" ] || roll_back
	[ -z "$work" ] || rm -rf "$work"
	exit "$1"
}

# Puts everything back as it was before install_client.
roll_back() {
	warn "the install failed; what was changed is put back"
	if [ "$enabled" ] && [ -z "$replaced" ]; then
		manage stop
		manage disable
	fi
	for _path in $created; do
		rm -rf "$_path"
	done
	for _path in $replaced; do
		restore "$_path" || warn "could not put $_path back"
	done
	[ "$manager" != systemd ] || systemctl daemon-reload
	[ -z "$added_account" ] || delete_account "$added_account"
	[ -z "$was_active" ] || manage start
}

restore() {
	staged=$(mktemp "${1%/*}/.rport.XXXXXX") && cp -p "$work/kept$1" "$staged" && mv -f "$staged" "$1"
}

uninstall() {
	[ "$dry_run" ] || need_root
	find_service_manager
	removed=''
	find_accounts
	remove_service
	remove_package
	! grep -qx tacoscript "$manifest" 2>/dev/null || remove "$tacoscript"
	remove "$client" "$config_dir" "$data_dir" "$log_dir" \
		"$sudoers_updates" "$sudoers_all" "$sudoers_files" \
		/etc/apt/sources.list.d/rport.list /etc/yum.repos.d/rport.repo
	for _account in $accounts; do
		! id "$_account" >/dev/null 2>&1 || remove_account "$_account"
	done
	if [ "$removed" ]; then
		[ "$dry_run" ] || say "rport was removed"
	else
		say "rport is not installed; there was nothing to remove"
	fi
}

# The accounts an install added: those in the manifest. Older installers kept none and added rport with this home.
find_accounts() {
	if [ -f "$manifest" ]; then
		accounts=$(sed -n 's/^account //p' "$manifest")
	elif [ -e "$config" ] && grep -q "^rport:.*:$data_dir:[^:]*$" /etc/passwd; then
		accounts=rport
	else
		accounts=''
	fi
}

remove_service() {
	if [ -e "$unit" ] || [ -e "$init_script" ]; then
		if [ "$manager" = client ] && [ ! -x "$client" ]; then
			manager=''
		fi
		if [ "$manager" ]; then
			! manage is-active || change "stop the service rport" manage stop
			change "disable the service rport" manage disable
		fi
	fi
	remove "$unit" "$init_script" /etc/systemd/system/multi-user.target.wants/rport.service
	[ "$manager" != systemd ] || change "make systemd forget the service" systemctl daemon-reload
}

remove_package() {
	if has dpkg-query && dpkg-query -W -f '${Status}' rport 2>/dev/null | grep -q 'installed\|config-files'; then
		removed=1
		change "purge the package rport" dpkg --purge rport
	fi
	if has rpm && rpm -q rport >/dev/null 2>&1; then
		removed=1
		change "remove the package rport" rpm -e rport
	fi
}

remove() {
	for _path; do
		if [ -e "$_path" ] || [ -L "$_path" ]; then
			removed=1
			change "remove $_path" rm -rf "$_path"
		fi
	done
}

# A process of the account may take a moment to end.
remove_account() {
	removed=1
	change "remove the account $1" delete_account "$1"
}

{ main "$@"; }
