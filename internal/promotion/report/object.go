package report

import (
	"encoding/json"
	"io"
	"time"

	"canary/internal/promotion"
)

// object is the report for programs. Its form is an interface: fields may be added, and
// none is renamed or removed.
type object struct {
	Stack     string           `json:"stack"`
	Outcome   Outcome          `json:"outcome"`
	Seconds   float64          `json:"seconds"`
	Promotion promotion.Record `json:"promotion"`
	Updates   []objectUpdate   `json:"updates"`
}

type objectUpdate struct {
	Name      string    `json:"name"`
	Weight    float64   `json:"weight"`
	Begun     time.Time `json:"begun"`
	Ended     time.Time `json:"ended"`
	Succeeded bool      `json:"succeeded"`
}

// JSON writes the report as an object.
func (r *Report) JSON(w io.Writer) error {
	o := object{Stack: r.Stack, Outcome: r.Outcome, Seconds: r.Seconds(), Promotion: r.Record}
	for _, u := range r.Updates {
		o.Updates = append(o.Updates, objectUpdate{u.Name, u.Weight, u.Begun, u.Ended, u.Succeeded})
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(o)
}
