#!/bin/bash
# Runs the test suite of a client library against redis-server and then against
# Quorate, and says which tests pass only on redis-server.
#
#   test/suites/clients.sh [-o DIR] [-q] go-redis|redis-py|redis-py-cluster [argument ...]
#
#   -o DIR   where output, reports and the servers' data are kept (a directory under TMPDIR)
#   -q       not against redis-server again: its report is in DIR from an earlier run
#
# Arguments go to the suite: -ginkgo.focus=REGEX to go-redis, -k EXPR to pytest.
#
#   go-redis          the module that go.mod names, copied from the module cache;
#                     GOREDIS_SUITE, a directory, takes its place
#   redis-py          one server; REDISPY_SUITE is a checkout of redis-py v5.0.8.
#                     Needs python3 with pytest, -asyncio, -timeout, -mock, -numpy
#   redis-py-cluster  three masters with a replica each; three nodes of Quorate
#
# Each server has a network namespace of its own, so the suites' fixed ports are
# free; that needs root, or unprivileged user namespaces. outside-clients.txt
# beside this script lists, as regular expressions, the tests that need what
# this server doesn't have.
#
# Exit status: 0 if every other test that passes on redis-server passes here, 1
# if not, 2 if it could not be run.
set -u

here=$(dirname -- "$(realpath -- "$0")")
root=$(realpath -- "$here/../..")
die() { echo "clients.sh: $*" >&2; exit 2; }
usage() { sed -n '2,/^set -u/{/^set -u/d;s/^# \{0,1\}//;p}' "$0"; }

# ---- inside the namespace: one suite against one server -----------------------

servers=()
stop() { [ ${#servers[@]} = 0 ] || { kill "${servers[@]}"; wait "${servers[@]}"; } 2>/dev/null; }

# start KIND PORT [argument ...]
start() {
    local kind=$1 port=$2; shift 2
    local data=$out/$kind-data/$port bin=$root/bin/quorate
    mkdir -p "$data"
    set -- --port "$port" --dir "$data" --enable-debug-command yes --enable-module-command yes --enable-protected-configs yes "$@"
    if [ "$kind" = redis ]; then bin=redis-server; set -- "$@" --save ''; else set -- "$@" --quorate-metrics-port 0; fi
    "$bin" "$@" >"$data/output" 2>&1 &
    servers+=($!)
}

# await PORT COMMAND PATTERN: until the answer has the pattern
await() {
    for _ in $(seq 600); do
        redis-cli -p "$1" $2 2>/dev/null | grep -q "$3" && return
        sleep 0.1
    done
    die "$kind on port $1 doesn't answer $2 with $3"
}

run_go_redis() {
    start "$kind" 6379
    await 6379 PING PONG
    local skip=() x
    for x in ring sentinel osscluster tls tls_cluster search search_builders json probabilistic timeseries_commands vectorset vectorset_commands; do
        skip+=(-ginkgo.skip-file="${x}_test.go")
    done
    (cd "$suite" && RE_CLUSTER=true REDIS_VERSION=7.0 ./goredis.test -test.run TestGinkgoSuite -test.timeout 30m -ginkgo.no-color -ginkgo.seed=1 \
        "${skip[@]}" -ginkgo.junit-report="$out/$kind.xml" "$@")
}

# run_redis_py URL MARKER IGNORED [argument ...]
run_redis_py() {
    local url=$1 marker=$2 ignored=() x; shift 2
    for x in sentinel sentinel_managed_connection ssl $1; do
        ignored+=(--ignore="tests/test_$x.py" --ignore="tests/test_asyncio/test_$x.py")
    done
    shift
    (cd "$suite" && "${PYTHON:-python3}" -m pytest -q -p no:cacheprovider --timeout 120 --redis-url "$url" -rfE "${ignored[@]}" --junitxml="$out/$kind.xml" \
        -m "not redismod and not ssl and not graph and not replica and not cp_integration and not experimental and not $marker" "$@" tests)
}

run_one() {
    ip link set lo up || exit 2
    trap stop EXIT
    case $what in
        go-redis) run_go_redis "$@" ;;
        redis-py)
            start "$kind" 6379
            await 6379 PING PONG
            run_redis_py redis://127.0.0.1:6379/9 onlycluster cluster "$@" ;;
        redis-py-cluster)
            start "$kind" 6379 # some tests want a server there in any case
            local p nodes=() count=6
            for p in 16379 16380 16381 16382 16383 16384; do nodes+=("127.0.0.1:$p"); done
            if [ "$kind" = redis ]; then
                for p in "${nodes[@]}"; do start redis "${p#*:}" --cluster-enabled yes --cluster-node-timeout 5000; done
                for p in "${nodes[@]}"; do await "${p#*:}" PING PONG; done
                redis-cli --cluster create "${nodes[@]}" --cluster-replicas 1 --cluster-yes >"$out/redis-data/create" || exit 2
            else
                count=3
                for p in "${nodes[@]:0:3}"; do start quorate "${p#*:}" --cluster-enabled yes --cluster-node-timeout 60000 --quorate-initial-nodes "${nodes[@]:0:3}"; done
            fi
            for p in 16379 16380 16381; do
                await $p "CLUSTER INFO" cluster_state:ok
                await $p "CLUSTER INFO" cluster_slots_ok:16384
            done
            run_redis_py redis://127.0.0.1:16379/0 onlynoncluster "" --redis-cluster-nodes $count "$@" ;;
    esac
}

# ---- outside ------------------------------------------------------------------

if [ "${1-}" = --inside ]; then
    out=$2 suite=$3 what=$4 kind=$5
    shift 5
    run_one "$@"
    exit
fi

out='' quick=''
while getopts o:qh opt; do
    case $opt in
        o) out=$OPTARG ;;
        q) quick=yes ;;
        h) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
what=${1-}
case $what in
    go-redis) suite=${GOREDIS_SUITE-} ;;
    redis-py | redis-py-cluster) suite=${REDISPY_SUITE-} ;;
    *) usage >&2; exit 2 ;;
esac
shift
[ -n "$out" ] || out=$(mktemp -d "${TMPDIR:-/tmp}/clients.XXXXXX")
mkdir -p "$out" && out=$(realpath -- "$out") || exit 2
(cd "$root" && go build -o bin/quorate .) || exit 2

if [ "$what" = go-redis ]; then
    if [ -z "$suite" ]; then
        suite=$out/go-redis
        if [ ! -d "$suite" ]; then
            module=$(cd "$root" && go list -m -f '{{.Dir}}' github.com/redis/go-redis/v9) && [ -n "$module" ] || die "go-redis isn't in the module cache: go mod download"
            cp -r "$module" "$suite" && chmod -R u+w "$suite" || exit 2
        fi
    fi
    (cd "$suite" && go test -c -o goredis.test .) || exit 2
fi
[ -d "$suite" ] || die "no directory ${suite:-named: set REDISPY_SUITE}"
suite=$(realpath -- "$suite")

unshare=(unshare -n)
[ "$(id -u)" = 0 ] || unshare=(unshare -rn)
for kind in redis quorate; do
    if [ $kind = redis ] && [ -n "$quick" ]; then continue; fi
    rm -rf "${out:?}/$kind-data" "$out/$kind.xml"
    echo "$what on $kind ..."
    "${unshare[@]}" "$0" --inside "$out" "$suite" "$what" $kind "$@" >"$out/$kind.txt" 2>&1
    [ -s "$out/$kind.xml" ] || die "no report; see $out/$kind.txt"
done

python3 - "$out" "$here/outside-clients.txt" <<'END'
import re, sys
import xml.etree.ElementTree as xml

out, list_file = sys.argv[1:]

def results(kind):
    """The tests that ran, by name: whether they passed. A test may stand twice, with an error of its cleanup."""
    passed = {}
    for case in xml.parse(f"{out}/{kind}.xml").iter("testcase"):
        name = f'{case.get("classname")} {case.get("name")}'
        if case.find("skipped") is None and not name.startswith("go-redis [BeforeSuite") and not name.startswith("go-redis [AfterSuite"):
            good = case.find("failure") is None and case.find("error") is None
            passed[name] = passed.get(name, True) and good
    return passed

outside = [re.compile(line.rstrip("\n")) for line in open(list_file) if line.strip() and not line.startswith("#")]
redis, quorate = results("redis"), results("quorate")
for kind, r in ("redis", redis), ("quorate", quorate):
    print(f"{kind}: {sum(r.values())} of {len(r)} passed")
missing = [n for n, ok in redis.items() if ok and not quorate.get(n)]
listed = [n for n in missing if any(p.search(n) for p in outside)]
wrong = [n for n in missing if n not in listed]
print(f"{len(missing)} passed on redis only, {len(listed)} of them listed in outside-clients.txt")
for n in wrong:
    print("  not listed:", n)
sys.exit(1 if wrong else 0)
END
status=$?
echo "output in $out"
exit $status
