#!/usr/bin/env bash
# A Quorate cluster on this machine, for trying things out. See usage below.
#
# A cluster lives in one directory: .quorate-cluster marks it as made by this
# script and remembers its shape, node-I/ is the data directory of node I with
# redis.conf, quorate.log, output.log (what the process prints) and pid.
#
# QUORATE_BIN           program to run instead of building bin/quorate
# QUORATE_WAIT_SECONDS  how long to wait for nodes to come up or to stop (30)
set -euo pipefail

if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
	echo "cluster.sh: bash 4.4 or later is needed, this is $BASH_VERSION" >&2
	exit 1
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
host=127.0.0.1
marker=.quorate-cluster
wait_seconds=${QUORATE_WAIT_SECONDS:-30}

# The shape of the cluster: from the command line, else from the marker file, else these.
nodes='' port='' dir=$root/cluster
# What --conf adds to the files that write_conf writes.
directives=()
default_nodes=3 default_port=7001

usage() {
	cat <<'END'
usage: scripts/cluster.sh ACTION [--nodes N] [--port P] [--dir D] [--conf 'NAME VALUE']...

  start      build, start N nodes (3) on ports P, P+1, ... (7001), wait until they form a cluster
  status     say how each node is
  stop       stop all nodes; their data stays
  kill I     kill node I as a crash would
  restart I  start node I again, stopping it first if it runs
  logs I     show the end of node I's log
  clean      stop all nodes and delete the directory with all data

Data is kept in D (./cluster of the repository). --nodes and --port are
remembered there, so later calls need at most --dir. Links between nodes
use the ports 10000 above. --conf adds a line to the redis.conf of every node
that start makes, such as --conf 'quorate-initial-groups 1'.
END
}

say() { printf '%s\n' "$*"; }

die() {
	printf 'cluster.sh: %s\n' "$*" >&2
	exit 1
}

is_number() { [[ $1 =~ ^[1-9][0-9]{0,4}$ ]]; }

# ---- where things are -------------------------------------------------------

node_port() { echo $((port + $1 - 1)); }
node_dir() { echo "$dir/node-$1"; }
node_conf() { echo "$dir/node-$1/redis.conf"; }

# is_made: is $dir a directory of this script?
is_made() { [[ -f $dir/$marker ]]; }

# load_shape fills $nodes and $port from the marker file. Values given on the
# command line must agree with it.
load_shape() {
	local key value kept_nodes='' kept_port=''
	while IFS='=' read -r key value; do
		case $key in
		nodes) kept_nodes=$value ;;
		port) kept_port=$value ;;
		esac
	done <"$dir/$marker"
	if ! is_number "$kept_nodes" || ! is_number "$kept_port"; then
		die "$dir/$marker is damaged: it must hold nodes=N and port=P"
	fi
	if [[ ${nodes:-$kept_nodes} != "$kept_nodes" || ${port:-$kept_port} != "$kept_port" ]]; then
		die "the cluster in $dir has $kept_nodes nodes from port $kept_port: 'clean' it first, or choose another directory with --dir"
	fi
	nodes=$kept_nodes port=$kept_port
}

# need_cluster is for every action but start.
need_cluster() {
	is_made || die "there is no cluster in $dir: 'scripts/cluster.sh start' makes one"
	load_shape
}

need_node() {
	if ! is_number "${1:-}" || (($1 > nodes)); then
		die "which node? give a number from 1 to $nodes"
	fi
}

# ---- processes --------------------------------------------------------------

# node_pid prints the process id of node I if it runs. Ids are reused, so the
# process must also have been started with the node's file.
node_pid() {
	local home=$dir/node-$1 pid
	[[ -f $home/pid ]] || return 1
	pid=$(<"$home/pid")
	is_process "$pid" "$home/redis.conf" && echo "$pid"
}

# is_process: process $1 runs, and has $2 on its command line. One that only
# waits to be reaped does not run.
is_process() {
	local line
	[[ $1 =~ ^[1-9][0-9]*$ ]] && kill -0 "$1" 2>/dev/null && line=$(ps -ww -o stat= -o args= -p "$1") &&
		[[ $line != Z* && $line == *"${2:-}"* ]]
}

count_running() {
	local i n=0
	for ((i = 1; i <= nodes; i++)); do
		if node_pid "$i" >/dev/null; then n=$((n + 1)); fi
	done
	echo "$n"
}

# until_true runs a command until it succeeds, fails after $wait_seconds.
until_true() {
	local end=$((SECONDS + wait_seconds))
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

is_gone() { ! is_process "$1"; }

launch() {
	local home
	home=$(node_dir "$1")
	# The nodes share this machine's cores: each runs as many threads as its
	# share, or they wake each other up for nothing.
	local cores
	cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
	export GOMAXPROCS="${GOMAXPROCS:-$((cores / nodes > 0 ? cores / nodes : 1))}"
	# setsid: a Ctrl-C in this terminal is not for the node; nohup: nor is closing it.
	local detach=(nohup)
	if command -v setsid >/dev/null; then detach=(setsid nohup); fi
	"${detach[@]}" "$bin" "$(node_conf "$1")" </dev/null >>"$home/output.log" 2>&1 &
	local pid=$!
	echo "$pid" >"$home/pid"
	# For a moment the process is still a copy of this shell, which node_pid takes for a stranger.
	until_true has_begun "$1" "$pid" || die "node $1 (pid $pid) has not begun to run in $wait_seconds seconds"
}

has_begun() { is_gone "$2" || node_pid "$1" >/dev/null; }

# terminate sends SIGTERM to node I and waits.
terminate() {
	local pid
	pid=$(node_pid "$1") || return 0
	kill -TERM "$pid" 2>/dev/null || true
	until_true is_gone "$pid" ||
		die "node $1 (pid $pid) has not stopped in $wait_seconds seconds: 'scripts/cluster.sh kill $1' ends it"
}

# ---- asking a node ----------------------------------------------------------

is_listening() { (exec 3<>"/dev/tcp/$host/$1") 2>/dev/null; }

# cluster_info prints a node's answer to CLUSTER INFO; fails if there is none in two seconds.
cluster_info() {
	(
		exec 3<>"/dev/tcp/$host/$1" || exit 1
		printf 'CLUSTER INFO\r\n' >&3
		IFS= read -r -t 2 header <&3 || exit 1
		header=${header%$'\r'}
		if [[ $header =~ ^[\$=]([0-9]{1,6})$ ]]; then
			IFS= read -r -t 2 -d '' -N "${BASH_REMATCH[1]}" body <&3 || exit 1
			printf '%s\n' "${body//$'\r'/}"
		else
			printf '%s\n' "$header" # an error reply
		fi
	) 2>/dev/null
}

is_answering() { cluster_info "$(node_port "$1")" >/dev/null; }

is_ok() {
	local info
	info=$'\n'$(cluster_info "$(node_port "$1")")$'\n' || return 1
	[[ $info == *$'\n'cluster_state:ok$'\n'* && $info == *$'\n'cluster_slots_assigned:16384$'\n'* ]]
}

# is_settled: node I is as wanted ($2 is is_ok or is_answering), or has ended.
is_settled() { "$2" "$1" || ! node_pid "$1" >/dev/null; }

# all_settled: all nodes are ok, or one has ended.
all_settled() {
	local i
	for ((i = 1; i <= nodes; i++)); do
		node_pid "$i" >/dev/null || return 0
	done
	for ((i = 1; i <= nodes; i++)); do
		is_ok "$i" || return 1
	done
}

# explain says why node I is not as wanted.
explain() {
	local why
	if ! node_pid "$1" >/dev/null; then
		why="node $1 has ended"
	elif is_answering "$1"; then
		why="node $1 answers, but the cluster is not complete after $wait_seconds seconds ($(cluster_info "$(node_port "$1")" |
			grep -E '^(cluster_state|cluster_slots_assigned):|^-' | paste -s -d ' ' - || true))"
	else
		why="node $1 does not answer on port $(node_port "$1") after $wait_seconds seconds"
	fi
	printf 'cluster.sh: %s. Its last lines:\n' "$why" >&2
	show_logs "$1" 15 >&2
}

show_logs() {
	local file
	for file in "$(node_dir "$1")"/{output,quorate}.log; do
		if [[ -s $file ]]; then
			say "--- $file"
			tail -n "$2" "$file"
		fi
	done
}

# ---- making a cluster -------------------------------------------------------

check_ports_of() {
	local p
	for p in "$(node_port "$1")" $(($(node_port "$1") + 10000)); do
		if is_listening "$p"; then
			die "port $p is taken by another program: choose another with --port"
		fi
	done
}

check_ports() {
	local i
	if ((port + nodes - 1 + 10000 > 65535)); then
		die "ports $port and up leave no room for the peer ports 10000 above: choose a lower one with --port"
	fi
	for ((i = 1; i <= nodes; i++)); do
		if node_pid "$i" >/dev/null; then continue; fi
		check_ports_of "$i"
	done
}

make_dir() {
	if [[ -e $dir && ! -d $dir ]]; then
		die "$dir is not a directory: choose another with --dir"
	fi
	if [[ -d $dir && -n $(ls -A "$dir") ]]; then
		die "$dir is not empty and was not made by this script: choose another with --dir"
	fi
	if ! mkdir -p "$dir" 2>/dev/null || [[ ! -w $dir ]]; then
		die "can't write to $dir: choose another with --dir"
	fi
	dir=$(cd "$dir" && pwd -P)
	printf 'nodes=%s\nport=%s\n' "$nodes" "$port" >"$dir/$marker"
}

# conf_quote puts its argument in quotes for redis.conf.
conf_quote() {
	local s=${1//\\/\\\\}
	printf '"%s"' "${s//\"/\\\"}"
}

write_conf() {
	local i all=()
	for ((i = 1; i <= nodes; i++)); do all+=("$host:$(node_port "$i")"); done
	mkdir -p "$(node_dir "$1")"
	cat >"$(node_conf "$1")" <<-END
		# Node $1 of $nodes, written by scripts/cluster.sh, which won't write it again: edit as you like.
		port $(node_port "$1")
		bind $host
		dir $(conf_quote "$(node_dir "$1")")
		cluster-enabled yes
		quorate-initial-nodes ${all[*]}
		logfile "quorate.log"
		pidfile "quorate.pid"
		daemonize no
	END
	for i in ${directives[@]+"${directives[@]}"}; do printf '%s\n' "$i" >>"$(node_conf "$1")"; done
}

build() {
	if [[ -n ${QUORATE_BIN:-} ]]; then
		bin=$QUORATE_BIN
		[[ -x $bin ]] || die "QUORATE_BIN=$bin is not a program"
		return
	fi
	bin=$root/bin/quorate
	command -v go >/dev/null || die "go is not installed: it is needed to build Quorate (https://go.dev/dl)"
	say "building bin/quorate"
	(cd "$root" && go build -o bin/quorate .) || die "the build failed"
}

# ---- actions ----------------------------------------------------------------

start() {
	local i started=()
	if is_made; then
		load_shape
		if (($(count_running) == nodes)); then
			say "already running: $nodes nodes from port $port in $dir"
			return
		fi
	else
		nodes=${nodes:-$default_nodes} port=${port:-$default_port}
	fi
	check_ports
	is_made || make_dir
	build
	for ((i = 1; i <= nodes; i++)); do
		if node_pid "$i" >/dev/null; then continue; fi
		[[ -f $(node_conf "$i") ]] || write_conf "$i"
		launch "$i"
		started+=("$i")
		say "started node $i on $host:$(node_port "$i")"
	done
	if ! until_true all_settled || (($(count_running) < nodes)); then
		explain "$(first_bad)"
		for i in "${started[@]}"; do terminate "$i"; done
		die "the cluster did not come up; the nodes just started are stopped again, their files are in $dir"
	fi
	say "the cluster is up: $nodes nodes, all 16384 slots. Next:"
	say "  redis-cli -c -p $port set hello world"
	say "  scripts/cluster.sh status$(dir_option)"
}

# first_bad prints the node that is to blame: one that ended before one that is not ok.
first_bad() {
	local i
	for ((i = 1; i <= nodes; i++)); do
		node_pid "$i" >/dev/null || { echo "$i" && return; }
	done
	for ((i = 1; i <= nodes; i++)); do
		is_ok "$i" || { echo "$i" && return; }
	done
	echo 1
}

# dir_option is what later calls need to find this cluster.
dir_option() { if [[ $dir != "$root/cluster" ]]; then printf ' --dir %q' "$dir"; fi; }

status() {
	local i pid state bad=0
	for ((i = 1; i <= nodes; i++)); do
		if ! pid=$(node_pid "$i"); then
			state="not running"
		elif is_ok "$i"; then
			state="ok (pid $pid)"
		elif is_answering "$i"; then
			state="running, but the cluster is not ok (pid $pid)"
		else
			state="running, but does not answer (pid $pid)"
		fi
		say "node $i  $host:$(node_port "$i")  $state"
		[[ $state == ok* ]] || bad=1
	done
	return "$bad"
}

stop() {
	local i pid
	if (($(count_running) == 0)); then
		say "no node is running in $dir"
		return
	fi
	for ((i = 1; i <= nodes; i++)); do # all at once: one after the other would elect new leaders for nothing
		if pid=$(node_pid "$i"); then kill -TERM "$pid" 2>/dev/null || true; fi
	done
	for ((i = 1; i <= nodes; i++)); do
		terminate "$i"
	done
	say "stopped; the data stays in $dir"
}

kill_node() {
	local pid
	pid=$(node_pid "$1") || die "node $1 is not running"
	kill -KILL "$pid" 2>/dev/null || true
	until_true is_gone "$pid" || die "node $1 (pid $pid) is still there $wait_seconds seconds after SIGKILL: is its disk hanging?"
	say "killed node $1 (pid $pid); 'scripts/cluster.sh restart $1$(dir_option)' brings it back"
}

restart() {
	local want=is_ok
	build
	terminate "$1"
	check_ports_of "$1"
	launch "$1"
	# Without a majority the cluster can't be ok, whatever this node does.
	if (($(count_running) * 2 <= nodes)); then want=is_answering; fi
	if ! until_true is_settled "$1" "$want" || ! node_pid "$1" >/dev/null; then
		explain "$1"
		exit 1
	fi
	if [[ $want == is_ok ]]; then
		say "restarted node $1 on $host:$(node_port "$1")"
	else
		say "restarted node $1 on $host:$(node_port "$1"); the cluster waits for a majority of its $nodes nodes"
	fi
}

logs() {
	show_logs "$1" 50
	say "--- to follow: tail -F $(printf '%q' "$(node_dir "$1")/quorate.log")"
}

clean() {
	if [[ ! -e $dir ]]; then
		say "nothing to clean: there is no $dir"
		return
	fi
	is_made || die "$dir was not made by this script (no $marker in it): it stays"
	load_shape
	if (($(count_running) > 0)); then stop; fi
	rm -rf -- "$dir"
	say "removed $dir"
}

# ---- command line -----------------------------------------------------------

action='' node=''
while (($# > 0)); do
	case $1 in
	--nodes | --port | --dir | --conf)
		(($# > 1)) || die "$1 needs a value"
		case $1 in
		--nodes) nodes=$2 ;;
		--port) port=$2 ;;
		--dir) dir=$2 ;;
		--conf)
			[[ -n $2 && $2 != *$'\n'* ]] || die "--conf wants one line for redis.conf"
			directives+=("$2")
			;;
		esac
		shift 2
		continue
		;;
	-h | --help | help)
		usage
		exit
		;;
	-*) die "unknown option $1 (--help explains)" ;;
	*)
		if [[ -z $action ]]; then
			action=$1
		elif [[ -z $node ]]; then
			node=$1
		else
			die "too many arguments: $1 (--help explains)"
		fi
		;;
	esac
	shift
done

if [[ -n $nodes ]] && { ! is_number "$nodes" || ((nodes > 100)); }; then
	die "--nodes must be a number from 1 to 100, not '$nodes'"
fi
if [[ -n $port ]] && { ! is_number "$port" || ((port > 55535)); }; then
	die "--port must be a number from 1 to 55535, not '$port'"
fi
is_number "$wait_seconds" || die "QUORATE_WAIT_SECONDS must be a number, not '$wait_seconds'"
[[ -n $dir ]] || die "--dir must not be empty"
case $dir in
/*) ;;
*) dir=$PWD/$dir ;;
esac
dir=${dir%/}
if [[ -d $dir ]]; then dir=$(cd "$dir" && pwd -P); fi # one spelling, for node_pid to compare
[[ -n $dir && $dir != *$'\n'* ]] || die "--dir can't be that"

case $action in
kill | restart | logs) ;;
*) [[ -z $node ]] || die "$action takes no argument '$node' (--help explains)" ;;
esac
case $action in
start) start ;;
status | stop)
	need_cluster
	"$action"
	;;
kill | restart | logs)
	need_cluster
	need_node "$node"
	if [[ $action == kill ]]; then kill_node "$node"; else "$action" "$node"; fi
	;;
clean) clean ;;
'')
	usage >&2
	exit 2
	;;
*) die "unknown action $action (--help explains)" ;;
esac
