#!/usr/bin/env bash
# One real Apache Kafka broker (KRaft, loopback only) for tests, or one node of several. No container engine needed:
# Java 17 or newer and Maven.
#
#   kafka.sh install    fetch the jars, once per machine and version (43 MB)
#   kafka.sh start      start the broker, return when it takes connections and say where; data of an earlier start is kept
#   kafka.sh stop       orderly; kill: SIGKILL; wipe: kill, then delete the data
#
# KAFKA_DATA        directory of data, log and process id        (default: $cache/data)
# KAFKA_PORT        port of clients                              (default: 29092)
# KAFKA_CONTROLLER  port of the broker's own controller          (default: KAFKA_PORT + 1)
# KAFKA_ADVERTISED  port that clients are told, when a test has put a proxy in front (default: KAFKA_PORT)
# KAFKA_OWNER       process id of a test run: when it has gone without a word, the broker is wiped
# KAFKA_SETTINGS    further broker settings, key=value, a line each; they win over those below, and are read at each start
# KAFKA_USER        user=password of SCRAM, made with the data directory
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rejoin/kafka
# The directory's name carries what the jars were resolved from, so a changed pom.xml never meets old jars.
jars=$cache/jars-$(cksum <"$here/pom.xml" | cut -d' ' -f1)
data=${KAFKA_DATA:-$cache/data}
port=${KAFKA_PORT:-29092}
controller=${KAFKA_CONTROLLER:-$((port + 1))}
advertised=${KAFKA_ADVERTISED:-$port}
settings=$data/broker.properties
start_limit_s=60
stop_limit_s=10

fail() { echo "kafka.sh: $*" >&2; exit 1; }

java=(java -Xmx384m -XX:+UseSerialGC "-Dlog4j2.configurationFile=$here/log4j2.properties" -cp "$jars/*")

open_port() { (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Prints the broker's process id. Another program that inherited the number does not count.
broker_pid() {
  local pid
  [[ -r $data/pid ]] && pid=$(<"$data/pid") && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$settings" && echo "$pid"
}

install_jars() {
  [[ -e $jars/.complete ]] && return
  command -v java >/dev/null || fail "java is missing: install a Java runtime, 17 or newer"
  command -v mvn >/dev/null || fail "mvn is missing: install Maven"
  mkdir -p "$cache"
  local fresh
  fresh=$(mktemp -d "$cache/fetching.XXXXXX")
  mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$fresh" >&2 ||
    { rm -rf "$fresh"; fail "Maven could not fetch the jars"; }
  touch "$fresh/.complete"
  # Two test runs may install at once: the first to rename wins, the other throws its copy away.
  mv -T "$fresh" "$jars" 2>/dev/null || rm -rf "$fresh"
}

write_settings() {
  mkdir -p "$data"
  cat >"$settings" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$advertised
log.dirs=$data/log
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
END
  echo "${KAFKA_SETTINGS:-}" >>"$settings"
}

format_storage() {
  local users=() mechanism
  if [[ ${KAFKA_USER:-} ]]; then
    for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
      users+=(--add-scram "$mechanism=[name=${KAFKA_USER%%=*},password=${KAFKA_USER#*=}]")
    done
  fi
  "${java[@]}" kafka.tools.StorageTool format -t cmVqb2luLXRlc3QtMDAwMQ -c "$settings" "${users[@]}" \
    >"$data/format.log" 2>&1 || fail "formatting failed, see $data/format.log"
}

start_broker() {
  [[ -e $jars/.complete ]] || fail "the jars are not there: run '$0 install' first"
  if broker_pid >/dev/null; then say_address; return; fi
  if open_port "$port"; then fail "port $port is taken: set KAFKA_PORT"; fi
  write_settings
  [[ -e $data/log/meta.properties ]] || format_storage
  # A session of its own, so that ^C at a test run leaves the end to the test.
  setsid "${java[@]}" kafka.Kafka "$settings" >>"$data/broker.log" 2>&1 </dev/null &
  echo $! >"$data/pid"
  watch_owner
  local end=$((SECONDS + start_limit_s))
  until open_port "$port"; do
    kill -0 "$(<"$data/pid")" 2>/dev/null || fail "the broker died while starting, see $data/broker.log"
    ((SECONDS < end)) || fail "the broker is not up after $start_limit_s s, see $data/broker.log"
    sleep 0.1
  done
  say_address
}

say_address() { echo "the broker listens on localhost:$port; its data is in $data"; }

# A test run that is killed leaves no broker behind.
watch_owner() {
  [[ ${KAFKA_OWNER:-} ]] || return 0
  setsid bash -c 'while kill -0 "$1"; do kill -0 "$2" || exit; sleep 1; done; exec "$3" wipe' watch \
    "$KAFKA_OWNER" "$(<"$data/pid")" "$here/kafka.sh" >/dev/null 2>&1 </dev/null &
}

end_broker() { # SIGNAL
  local pid end=$((SECONDS + stop_limit_s))
  pid=$(broker_pid) || { rm -f "$data/pid"; return 0; }
  kill "-$1" "$pid"
  while broker_pid >/dev/null || open_port "$port"; do
    if ((SECONDS > end)); then kill -KILL "$pid" 2>/dev/null || true; fi
    sleep 0.05
  done
  rm -f "$data/pid"
}

case ${1:-} in
  install) install_jars ;;
  start) start_broker ;;
  stop) end_broker TERM ;;
  kill) end_broker KILL ;;
  wipe) end_broker KILL; rm -rf "$data" ;;
  *) fail "usage: kafka.sh install | start | stop | kill | wipe" ;;
esac
