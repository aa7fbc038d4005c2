// Package rejoin has the records of rejoin's topics in Go, the same from MessagePack and from JSON. Fields that are not
// here are ignored: inside one major version of a topic fields are only added, and the JSON Schemas list all of them.
package rejoin

// Record is any record; Event.Dataset says of which kind it is, and so which of the parts are there.
type Record struct {
	Timestamp   Time     `json:"@timestamp"`
	Event       Event    `json:"event"`
	Message     string   `json:"message,omitempty"`
	Network     *Network `json:"network,omitempty"`
	Source      *End     `json:"source,omitempty"`
	Destination *End     `json:"destination,omitempty"`
	Observer    Observer `json:"observer"`
	Agent       *Agent   `json:"agent,omitempty"`
	MPTCP       *MPTCP   `json:"mptcp,omitempty"`
	Rejoin      *Rejoin  `json:"rejoin,omitempty"`
}

// Event is ECS's; ID is the same in every copy of a record, so that a reader can drop what it has.
type Event struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"`
	Dataset  string `json:"dataset"`
	Action   string `json:"action"`
	Severity int    `json:"severity,omitempty"`
	Start    *Time  `json:"start,omitempty"`
	End      *Time  `json:"end,omitempty"`
	Duration int64  `json:"duration,omitempty"` // nanoseconds
	Reason   string `json:"reason,omitempty"`
}

type Network struct {
	Type        string `json:"type"`
	CommunityID string `json:"community_id"`
	Bytes       int64  `json:"bytes,omitempty"`
	Packets     int64  `json:"packets,omitempty"`
}

type End struct {
	IP      string `json:"ip"`
	Port    *int   `json:"port,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"`
	Packets int64  `json:"packets,omitempty"`
}

type Observer struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type Agent struct {
	Name string `json:"name"`
}

// MPTCP is the session, the place of a finding or the chunk of a stream.
type MPTCP struct {
	Session   Session         `json:"session"`
	Version   *int            `json:"version,omitempty"`
	Token     *Sides[*string] `json:"token,omitempty"`
	IDSN      *Sides[*Wide]   `json:"idsn,omitempty"`
	Verdicts  *Verdicts       `json:"verdicts,omitempty"`
	Fallback  *Fallback       `json:"fallback,omitempty"`
	Close     *Close          `json:"close,omitempty"`
	Stream    *Sides[Stream]  `json:"stream,omitempty"`
	Subflows  []Subflow       `json:"subflows,omitempty"`
	Rewritten []Rewritten     `json:"rewritten,omitempty"`
	Subflow   *int            `json:"subflow,omitempty"` // of a finding
	Side      *string         `json:"side,omitempty"`    // of a finding
	Chunk     *Chunk          `json:"chunk,omitempty"`
}

type Session struct {
	ID       string `json:"id"`
	Revision int64  `json:"revision,omitempty"`
	Evidence string `json:"evidence,omitempty"`
}

// Sides is what is said of each side of a session.
type Sides[T any] struct {
	Initiator T `json:"initiator"`
	Responder T `json:"responder"`
}

type Verdicts struct {
	Version   *Check        `json:"version"`
	KeyEcho   *Check        `json:"key_echo"`
	Token     Sides[*Check] `json:"token"`
	IDSN      Sides[*Check] `json:"idsn"`
	Fastclose Sides[*Check] `json:"fastclose"`
}

type Check struct {
	Verdict            string `json:"verdict"`
	UnverifiableReason string `json:"unverifiable_reason,omitempty"`
}

type Fallback struct {
	Cause   string `json:"cause"`
	At      Time   `json:"at"`
	Subflow *int   `json:"subflow"`
}

type Close struct {
	Reason string  `json:"reason"`
	By     *string `json:"by,omitempty"`
}

type Stream struct {
	Octets        int64    `json:"octets"`
	Contiguous    int64    `json:"contiguous"`
	MissingOctets int64    `json:"missing_octets"`
	UnseenShare   *float64 `json:"unseen_share"`
	Conflicting   *int64   `json:"conflicting"`
	Complete      bool     `json:"complete"`
	SHA256        string   `json:"sha256,omitempty"`
}

type Subflow struct {
	ID          int      `json:"id"`
	Kind        string   `json:"kind"`
	Opener      string   `json:"opener"`
	Source      End      `json:"source"`
	Destination End      `json:"destination"`
	CommunityID string   `json:"community_id"`
	Close       Close    `json:"close"`
	Backup      bool     `json:"backup"`
	Join        *Join    `json:"join"`
	Agents      []string `json:"agents"`
}

type Join struct {
	HMAC               Sides[string] `json:"hmac"`
	UnverifiableReason string        `json:"unverifiable_reason,omitempty"`
}

type Rewritten struct {
	Kind    string    `json:"kind"`
	Subflow int       `json:"subflow"`
	Side    string    `json:"side"`
	Between [2]string `json:"between"`
	Packets int64     `json:"packets"`
}

type Chunk struct {
	Side   string `json:"side"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	Hole   int64  `json:"hole"`
	Final  bool   `json:"final"`
	Octets []byte `json:"octets"`
}

// Rejoin is an agent's ledger, what a collector shed, or what a session's record lost to bounds.
type Rejoin struct {
	Agent *Ledger          `json:"agent,omitempty"`
	Gap   *Gap             `json:"gap,omitempty"`
	Shed  map[string]int64 `json:"shed,omitempty"`
}

// Gap is the records that will reach no topic, since the gap record before.
type Gap struct {
	Records int64  `json:"records"`
	Shed    []Shed `json:"shed"`
}

type Shed struct {
	Reason  string `json:"reason"`
	Class   string `json:"class"`
	Records int64  `json:"records"`
}

type Ledger struct {
	Packets   int64   `json:"packets"`
	Octets    int64   `json:"octets"`
	Lost      int64   `json:"lost"`
	Late      int64   `json:"late"`
	Duplicate int64   `json:"duplicate"`
	Restarted int64   `json:"restarted"`
	Key       *uint32 `json:"key"`
}
