#!/bin/bash
# Runs units of the Redis TCL suite against a server that is already running,
# one by one, and compares the number of passed tests with a baseline.
#
#   REDIS_SUITE=DIR test/suites/run.sh [options] HOST:PORT [unit ...]
#
#   -b FILE    baseline: tab-separated, a header line, the unit in the first
#              column and the numbers of passed tests in column -c
#   -c NAME    column of the baseline (standalone_debug_passed)
#   -m MODE    A: one plain node, everything (the default). D: the leader of a
#              group that has all slots of a cluster; HOST:PORT is any node of it:
#              scripts/cluster.sh start --conf 'quorate-initial-groups 1'
#              It stands for -c, -t and -x; with -b and no unit named, all units
#              that have something in the column are run.
#   -t TAGS    for --tags; may be given more than once (-slow if none is given)
#   -s FILE    for --skipfile, beside outside.txt; may be given more than once
#   -a         run all tests: those too that outside.txt lists
#   -x ARG     any other argument for runtest; may be given more than once
#   -p N       first port the suite may use for itself (random)
#   -o DIR     where each unit's output is kept (a directory under TMPDIR)
#
# outside.txt, beside this script, lists the tests that need what this server
# doesn't have. They are left out of the tests that are run, not of the baseline.
#
# REDIS_SUITE is an unpacked redis 7.0.15 source tree; nothing of it belongs in
# this repository. Needs tclsh. redis-cli and redis-benchmark are linked into
# the tree's src directory from the PATH if it has none.
#
# Exit status: 0 if every unit passed at least as many tests as the baseline
# (without a baseline: if no test failed), 1 if not, 2 if it could not be run.
set -u

default_units="unit/protocol unit/keyspace unit/scan unit/type/string unit/type/incr unit/type/list unit/type/set
unit/type/zset unit/type/hash unit/expire unit/multi"

# Settings that some units leave changed behind them, to the harm of the next
# one; they are put back to what they were before each unit.
settings="hash-max-listpack-entries hash-max-listpack-value list-max-listpack-size list-compress-depth
set-max-intset-entries zset-max-listpack-entries zset-max-listpack-value proto-max-bulk-len
client-query-buffer-limit maxmemory maxmemory-policy notify-keyspace-events lua-time-limit
slowlog-log-slower-than latency-monitor-threshold min-replicas-to-write save appendonly appendfsync"

die() { echo "run.sh: $*" >&2; exit 2; }
usage() { sed -n '2,/^set -u/{/^set -u/d;s/^# \{0,1\}//;p}' "$0"; }

# A test of unit/scan makes 60,000 writes, one after the other, each on disk before its answer.
patience=600
baseline= column= baseport= out= mode=A
tags=() extra=() skip=()
outside=$(dirname -- "$(realpath -- "$0")")/outside.txt
while getopts b:c:m:t:s:ax:p:o:h opt; do
    case $opt in
        b) baseline=$OPTARG ;;
        c) column=$OPTARG ;;
        m) mode=$OPTARG ;;
        t) tags+=(--tags "$OPTARG") ;;
        s) [ -r "$OPTARG" ] || die "no such file: $OPTARG"
           skip+=("$OPTARG") ;;
        a) outside= ;;
        x) extra+=("$OPTARG") ;;
        p) baseport=$OPTARG ;;
        o) out=$OPTARG ;;
        h) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || { usage >&2; exit 2; }
address=$1; shift
host=${address%:*} port=${address##*:}
[ "$host" != "$address" ] && [ -n "$port" ] || die "want HOST:PORT, not $address"
case $mode in
    A) column=${column:-standalone_debug_passed} mode_tags="-slow" ;;
    D) column=${column:-cluster_strict_passed}
       extra+=(--cluster-mode --ignore-encoding --ignore-digest)
       mode_tags="-slow -needs:debug -needs:repl -needs:pfdebug -needs:save -needs:config-maxmemory -needs:config-resetstat -needs:reset" ;;
    *) die "no mode $mode: A or D" ;;
esac
[ ${#tags[@]} -gt 0 ] || tags=(--tags "$mode_tags")

suite=${REDIS_SUITE:-}
[ -n "$suite" ] || die "set REDIS_SUITE to an unpacked redis 7.0.15 source tree"
[ -x "$suite/runtest" ] || die "$suite has no runtest"
command -v tclsh8.6 >/dev/null || command -v tclsh8.5 >/dev/null || die "tclsh 8.5 or newer is not installed"
for tool in redis-cli redis-benchmark; do
    [ -e "$suite/src/$tool" ] && continue
    path=$(command -v "$tool") && ln -s "$path" "$suite/src/$tool" || die "$tool is not installed"
done

# expected UNIT: the baseline's number, or nothing.
expected() {
    [ -n "$baseline" ] || return 0
    awk -F'\t' -v unit="$1" -v name="$column" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) col = i
                  if (!col) { print "no column " name > "/dev/stderr"; exit 2 } }
        $1 == unit { print $col }' "$baseline"
}
if [ -n "$baseline" ]; then
    [ -r "$baseline" ] || die "cannot read $baseline"
    expected none || die "$baseline cannot be used"
fi

# Without names: all units that have something in the baseline.
if [ $# -eq 0 ]; then
    [ -z "$baseline" ] || default_units=$(awk -F'\t' -v name="$column" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) col = i; next }
        $1 != "TOTAL" && $col > 0 { print $1 }' "$baseline")
    set -- $default_units
fi

cli() { redis-cli --no-auth-warning -h "$host" -p "$port" "$@"; }
[ "$(cli PING 2>&1)" = PONG ] || die "no server answers PING at $address"
# The suite's client doesn't follow MOVED: it has to talk to the one that has all slots.
find_leader() {
    [ "$mode" = D ] || return 0
    mapfile -t answer < <(cli CLUSTER SLOTS)
    [ "${answer[*]:0:2}" = "0 16383" ] || die "no group has all slots: --conf 'quorate-initial-groups 1'"
    [ "$port" = "${answer[3]}" ] && return
    host=${answer[2]} port=${answer[3]}
    echo "leader: $host:$port"
}
find_leader
declare -A before=()
for name in $settings; do
    # Two lines, name and value; a server that does not know the name gives none.
    mapfile -t answer < <(cli CONFIG GET "$name" 2>/dev/null)
    [ "${answer[0]:-}" = "$name" ] && before[$name]=${answer[1]:-}
done
restore_settings() {
    local name now
    cli DEBUG SET-ACTIVE-EXPIRE 1 >/dev/null 2>&1 # left off by tests that fail
    for name in "${!before[@]}"; do
        mapfile -t now < <(cli CONFIG GET "$name" 2>/dev/null)
        [ "${now[1]:-}" = "${before[$name]}" ] && continue
        [ "$(cli CONFIG SET "$name" "${before[$name]}" 2>&1)" = OK ] ||
            echo "run.sh: cannot set $name back to '${before[$name]}'" >&2
    done
}

[ -n "$outside" ] && [ -r "$outside" ] && skip=("$outside" ${skip[@]+"${skip[@]}"})

out=${out:-$(mktemp -d "${TMPDIR:-/tmp}/redis-suite.XXXXXX")}
mkdir -p "$out" || die "cannot create $out"
out=$(realpath -- "$out")
if [ ${#skip[@]} -gt 0 ]; then # the suite takes one file only
    cat -- "${skip[@]}" >"$out/skip.txt" || die "cannot write $out/skip.txt"
    extra+=(--skipfile "$out/skip.txt")
fi
baseport=${baseport:-$((23000 + RANDOM % 5000))}

child=
trap '[ -n "$child" ] && kill -- -"$child" 2>/dev/null; exit 130' INT TERM

failed_names=$out/failed.txt
: >"$failed_names"
status=0
printf '%-22s %6s %6s %6s %7s %9s %7s %5s\n' unit ok err except ignored baseline ratio s
sum_ok=0 sum_base=0
for unit in "$@"; do
    log=$out/${unit//\//_}.log
    began=$SECONDS
    find_leader # there may have been an election
    restore_settings
    # In a process group of its own, so that an interrupt ends the suite's helpers too.
    set -m
    (cd "$suite" && TERM=dumb exec ./runtest --host "$host" --port "$port" --baseport "$baseport" --single "$unit" \
        --durable --timeout "$patience" "${tags[@]}" ${extra[@]+"${extra[@]}"}) >"$log" 2>&1 </dev/null &
    child=$!
    set +m
    wait "$child"; code=$?
    child=
    ok=$(grep -ac '^\[ok\]' "$log")
    err=$(grep -ac '^\[err\]' "$log")
    except=$(grep -acE '^\[(exception|TIMEOUT)\]' "$log")
    ignored=$(grep -acE '^\[ignore\]' "$log")
    base=$(expected "$unit") ratio=-
    if [ -n "$base" ]; then
        [ "$base" -gt 0 ] && ratio=$(awk "BEGIN { printf \"%.3f\", $ok / $base }")
        sum_ok=$((sum_ok + ok)) sum_base=$((sum_base + base))
        [ "$ok" -ge "$base" ] || status=1
    else
        { [ "$err" -eq 0 ] && [ "$except" -eq 0 ] && [ "$ok" -gt 0 ]; } || status=1
    fi
    # Passing nothing and failing nothing, while the suite itself gave up, is no result.
    if [ "$ok" -eq 0 ] && [ "$code" -ne 0 ]; then status=1; fi
    printf '%-22s %6d %6d %6d %7d %9s %7s %5d\n' "$unit" "$ok" "$err" "$except" "$ignored" "${base:--}" "$ratio" $((SECONDS - began))
    grep -aE '^\[(err|exception|TIMEOUT)\]|\(IN PROGRESS\)' "$log" | sort -u | sed "s|^|$unit: |" >>"$failed_names"
done
[ "$sum_base" -gt 0 ] && awk "BEGIN { printf \"\n%d of %d = %.3f of the baseline\n\", $sum_ok, $sum_base, $sum_ok / $sum_base }"
if [ -s "$failed_names" ]; then
    echo; echo "failed:"; cat "$failed_names"
fi
restore_settings
echo; echo "output of each unit: $out"
exit $status
