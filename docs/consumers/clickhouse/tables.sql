-- rejoin's records in ClickHouse: one table for sessions, one for findings. Topics are JSON (`records.formats`).
-- Each queue reads a topic; a materialized view takes each record apart and keeps it whole in `record`.

CREATE TABLE rejoin_sessions
(
    event_id String,
    session_id String,
    revision UInt64,
    action LowCardinality(String),
    started DateTime64(6, 'UTC'),
    ended DateTime64(6, 'UTC'),
    source_ip String,
    source_port UInt16,
    destination_ip String,
    destination_port UInt16,
    community_ids Array(String),
    evidence LowCardinality(String),
    version Nullable(UInt8),
    token_initiator Nullable(String),
    token_responder Nullable(String),
    fallback LowCardinality(String),
    close_reason LowCardinality(String),
    subflows UInt16,
    octets_initiator UInt64,
    octets_responder UInt64,
    complete Bool,
    agents Array(String),
    record String CODEC(ZSTD(3))
)
-- A record that came twice is the same row; of a session the highest revision counts.
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(started)
ORDER BY (session_id);

CREATE TABLE rejoin_findings
(
    event_id String,
    at DateTime64(6, 'UTC'),
    finding LowCardinality(String),
    severity UInt8,
    message String,
    session_id String,
    subflow Nullable(UInt32),
    side LowCardinality(String),
    source_ip String,
    source_port UInt16,
    destination_ip String,
    destination_port UInt16,
    community_id String,
    observer LowCardinality(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (at, event_id);

CREATE TABLE rejoin_sessions_queue (record String)
ENGINE = Kafka('localhost:9092', 'rejoin.sessions.v1', 'clickhouse', 'JSONAsString');

CREATE TABLE rejoin_findings_queue (record String)
ENGINE = Kafka('localhost:9092', 'rejoin.findings.v1', 'clickhouse', 'JSONAsString');

CREATE MATERIALIZED VIEW rejoin_sessions_reader TO rejoin_sessions AS
SELECT
    JSONExtractString(record, 'event', 'id') AS event_id,
    JSONExtractString(record, 'mptcp', 'session', 'id') AS session_id,
    JSONExtractUInt(record, 'mptcp', 'session', 'revision') AS revision,
    JSONExtractString(record, 'event', 'action') AS action,
    parseDateTime64BestEffort(JSONExtractString(record, 'event', 'start'), 6, 'UTC') AS started,
    parseDateTime64BestEffort(JSONExtractString(record, 'event', 'end'), 6, 'UTC') AS ended,
    JSONExtractString(record, 'source', 'ip') AS source_ip,
    JSONExtractUInt(record, 'source', 'port') AS source_port,
    JSONExtractString(record, 'destination', 'ip') AS destination_ip,
    JSONExtractUInt(record, 'destination', 'port') AS destination_port,
    arrayMap(one -> JSONExtractString(one, 'community_id'), JSONExtractArrayRaw(record, 'mptcp', 'subflows')) AS community_ids,
    JSONExtractString(record, 'mptcp', 'session', 'evidence') AS evidence,
    JSONExtract(record, 'mptcp', 'version', 'Nullable(UInt8)') AS version,
    JSONExtract(record, 'mptcp', 'token', 'initiator', 'Nullable(String)') AS token_initiator,
    JSONExtract(record, 'mptcp', 'token', 'responder', 'Nullable(String)') AS token_responder,
    JSONExtractString(record, 'mptcp', 'fallback', 'cause') AS fallback,
    JSONExtractString(record, 'mptcp', 'close', 'reason') AS close_reason,
    JSONLength(record, 'mptcp', 'subflows') AS subflows,
    JSONExtractUInt(record, 'mptcp', 'stream', 'initiator', 'octets') AS octets_initiator,
    JSONExtractUInt(record, 'mptcp', 'stream', 'responder', 'octets') AS octets_responder,
    JSONExtractBool(record, 'mptcp', 'stream', 'initiator', 'complete')
        AND JSONExtractBool(record, 'mptcp', 'stream', 'responder', 'complete') AS complete,
    arraySort(arrayDistinct(arrayFlatten(arrayMap(
        one -> JSONExtract(one, 'agents', 'Array(String)'),
        JSONExtractArrayRaw(record, 'mptcp', 'subflows'))))) AS agents,
    record
FROM rejoin_sessions_queue;

CREATE MATERIALIZED VIEW rejoin_findings_reader TO rejoin_findings AS
SELECT
    JSONExtractString(record, 'event', 'id') AS event_id,
    parseDateTime64BestEffort(JSONExtractString(record, '@timestamp'), 6, 'UTC') AS at,
    JSONExtractString(record, 'event', 'action') AS finding,
    JSONExtractUInt(record, 'event', 'severity') AS severity,
    JSONExtractString(record, 'message') AS message,
    JSONExtractString(record, 'mptcp', 'session', 'id') AS session_id,
    JSONExtract(record, 'mptcp', 'subflow', 'Nullable(UInt32)') AS subflow,
    JSONExtractString(record, 'mptcp', 'side') AS side,
    JSONExtractString(record, 'source', 'ip') AS source_ip,
    JSONExtractUInt(record, 'source', 'port') AS source_port,
    JSONExtractString(record, 'destination', 'ip') AS destination_ip,
    JSONExtractUInt(record, 'destination', 'port') AS destination_port,
    JSONExtractString(record, 'network', 'community_id') AS community_id,
    JSONExtractString(record, 'observer', 'name') AS observer
FROM rejoin_findings_queue;
