package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"text/tabwriter"

	"google.golang.org/grpc/codes"

	"canary/internal/traffic"
)

// Table writes the report for people.
func (r Report) Table(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d requests from %s to %s in %.2f s (%.0f per second)\n\n",
		r.Requests, r.From, r.URL, r.DurationSeconds, r.perSecond())
	table := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "SUBSET\tEXPECTED\tANSWERS\tSHARE\tBOUND\tFAILED")
	for _, s := range r.Subsets {
		share, bound := "-", "-"
		if r.attributed() > 0 {
			share, bound = traffic.FormatPercent(s.Percent)+" %", boundOf(s)
		}
		fmt.Fprintf(table, "%s\t%s %%\t%d\t%s\t%s\t%d\n", s.Subset,
			traffic.FormatPercent(s.ExpectedPercent), s.Answers, share, bound, s.Failed)
	}
	if r.Unattributed > 0 {
		fmt.Fprintf(table, "(not said)\t-\t%d\t-\t-\t-\n", r.Unattributed)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\nverdict    %s\n", r.verdict())
	r.failures(&b)
	if r.Latency.Max > 0 {
		fmt.Fprintf(&b, "latency    p50 %s, p90 %s, p99 %s, max %s\n",
			duration(r.Latency.P50), duration(r.Latency.P90), duration(r.Latency.P99), duration(r.Latency.Max))
	}
	if r.Capped > 0 {
		fmt.Fprintf(&b, "late       %d of %d requests went out late: too many others were unanswered\n", r.Capped, r.Requests)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (r Report) perSecond() float64 {
	if r.DurationSeconds == 0 {
		return 0
	}
	return float64(r.Requests) / r.DurationSeconds
}

// attributed is the number of answers that name a subset.
func (r Report) attributed() int {
	sum := 0
	for _, s := range r.Subsets {
		sum += s.Answers
	}
	return sum
}

func (r Report) verdict() string {
	basis := fmt.Sprintf("(%d answers, confidence %s %%)", r.attributed(), traffic.FormatPercent(100*r.Confidence))
	switch r.Verdict {
	case traffic.Within:
		return "within the bound " + basis
	case traffic.Outside:
		return "outside the bound " + basis + ": the traffic is not split as VirtualService " + r.VirtualService + " says"
	default:
		return string(r.Verdict) + ": " + r.Reason
	}
}

func (r Report) failures(w io.Writer) {
	if r.Failed == 0 {
		fmt.Fprintln(w, "failures   none")
		return
	}
	fmt.Fprintf(w, "failures   %d of %d\n", r.Failed, r.Requests)
	classes := slices.SortedFunc(maps.Keys(r.Failures), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Failures[b], r.Failures[a]), cmp.Compare(a, b)) // most frequent first
	})
	for _, class := range classes {
		fmt.Fprintf(w, "           %d x %s", r.Failures[class], class)
		if example := r.FailureExamples[class]; example != "" {
			fmt.Fprintf(w, ": %s", example)
		}
		if hint := r.hint(class); hint != "" {
			fmt.Fprintf(w, "\n             %s", hint)
		}
		fmt.Fprintln(w)
	}
}

// hint says what usually stands behind a class of failures.
func (r Report) hint(class string) string {
	switch class {
	case "404":
		return "the app has nothing at this path (see --path), or the proxy no route for this host"
	case "503":
		return "by the app itself, or by a proxy: no pod of a subset with traffic is ready"
	case codes.Unavailable.String():
		return "by the app itself, or by a proxy: no pod of a subset with traffic is ready, or it speaks no gRPC"
	case "502":
		if r.From == "mesh" {
			return "by the app itself, or the relay's connection to its sidecar broke"
		}
	case traffic.FailureRefused:
		if r.From == "ingress" {
			return "nothing listens at this address: is the cluster stopped? `make up` restarts a k3d cluster"
		}
	case traffic.FailureDNS:
		return "this host needs a DNS record, or a line in the hosts file, with the ingress gateway's address"
	case traffic.FailureTimeout:
		return "see --timeout"
	}
	return ""
}

func boundOf(s Subset) string {
	if s.Lower == s.Upper {
		return strconv.Itoa(s.Lower)
	}
	return fmt.Sprintf("%d-%d", s.Lower, s.Upper)
}

// duration writes milliseconds with three figures or so.
func duration(milliseconds float64) string {
	switch {
	case milliseconds >= 10_000:
		return fmt.Sprintf("%.1f s", milliseconds/1000)
	case milliseconds >= 1000:
		return fmt.Sprintf("%.2f s", milliseconds/1000)
	case milliseconds >= 100:
		return fmt.Sprintf("%.0f ms", milliseconds)
	case milliseconds >= 10:
		return fmt.Sprintf("%.1f ms", milliseconds)
	default:
		return fmt.Sprintf("%.2f ms", milliseconds)
	}
}
