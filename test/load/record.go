package load

import (
	"fmt"
	"time"

	"canary/internal/traffic"
)

// Kinds of requests.
const (
	Short = "short"
	Long  = "long"
)

// Record is what became of one request. The short names keep the log of a pod small.
type Record struct {
	Start   int64  `json:"t"`           // when it was due, in microseconds since 1970
	Latency int64  `json:"l"`           // to the last byte of the answer or to the error, in microseconds
	Status  int    `json:"s,omitempty"` // 0 without an answer
	Subset  string `json:"b,omitempty"`
	Path    string `json:"p,omitempty"` // of a long request
	Failure string `json:"f,omitempty"` // "" is an answer of 200 to 299, read to its end
	Error   string `json:"e,omitempty"`
	Capped  bool   `json:"c,omitempty"` // went out late since too many others were unanswered
	Source  string `json:"-"`           // ingress or mesh
}

func newRecord(r traffic.Result, path string) Record {
	record := Record{
		Start: r.Start.UnixMicro(), Latency: r.Latency.Microseconds(),
		Status: r.Status, Subset: r.Subset, Path: path, Failure: r.Failure(), Capped: r.Capped,
	}
	if r.Err != nil {
		record.Error = r.Err.Error()
	}
	if record.Failure == "" && (r.Status < 200 || r.Status > 299) {
		record.Failure = fmt.Sprint(r.Status)
	}
	return record
}

// Began is when the request was due.
func (r Record) Began() time.Time { return time.UnixMicro(r.Start) }

// Ended is when its last byte came, or its failure.
func (r Record) Ended() time.Time { return time.UnixMicro(r.Start + r.Latency) }

// Kind is Short or Long.
func (r Record) Kind() string {
	if r.Path != "" {
		return Long
	}
	return Short
}
