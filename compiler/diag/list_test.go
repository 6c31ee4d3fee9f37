package diag_test

import (
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

func addN(l *diag.List, n int, code diag.Code, s diag.Severity) {
	for range n {
		l.Add(diag.Diagnostic{Code: code, Severity: s, Message: "m", Help: "h"})
	}
}

func TestS161ListIsBounded(t *testing.T) {
	tests := []struct {
		name         string
		fill         func(l *diag.List)
		kept, errors int
		last         string // message, when there is more than is kept
		severity     diag.Severity
	}{
		{name: "empty", fill: func(*diag.List) {}},
		{name: "most errors", fill: func(l *diag.List) { addN(l, 1000, "K1", diag.Error) }, kept: 1000, errors: 1000},
		{
			name: "too many errors", fill: func(l *diag.List) { addN(l, 1003, "K1", diag.Error) },
			kept: 1001, errors: 1004, last: "3 more findings are not reported: 3 of K1", severity: diag.Error,
		},
		{
			name: "too many warnings", fill: func(l *diag.List) { addN(l, 10_001, "K1", diag.Warning) },
			kept: 10_001, last: "1 more findings are not reported: 1 of K1", severity: diag.Warning,
		},
		{
			name: "each code and severity by itself",
			fill: func(l *diag.List) {
				addN(l, 1001, "K1", diag.Error)
				addN(l, 1002, "K2", diag.Error)
				addN(l, 10_003, "K1", diag.Note)
				addN(l, 5, "K3", diag.Warning)
			},
			kept: 1000 + 1000 + 10_000 + 5 + 1, errors: 2004, last: "6 more findings are not reported: 1 of K1, 2 of K2, 3 of K1", severity: diag.Error,
		},
		{
			name: "appended",
			fill: func(l *diag.List) {
				var other diag.List
				addN(l, 600, "K1", diag.Error)
				addN(&other, 2000, "K1", diag.Error)
				l.Append(&other)
			},
			kept: 1001, errors: 2601, last: "1600 more findings are not reported: 1600 of K1", severity: diag.Error,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var l diag.List
			tt.fill(&l)
			l.Close()
			all := l.All()
			if len(all) != tt.kept || l.Errors() != tt.errors {
				t.Errorf("%d kept, %d errors; want %d, %d", len(all), l.Errors(), tt.kept, tt.errors)
			}
			var got diag.Diagnostic
			if len(all) > 0 && all[len(all)-1].Code == diag.TooManyFindings {
				got = all[len(all)-1]
			}
			if got.Message != tt.last || got.Severity != tt.severity {
				t.Errorf("the last one is %v %q, want %v %q", got.Severity, got.Message, tt.severity, tt.last)
			}
		})
	}
}

func TestS161LabelsAreBounded(t *testing.T) {
	labels := make([]diag.Label, 100_000)
	for i := range labels {
		labels[i] = diag.Label{Span: source.Span{Start: i}, Message: "further"}
	}
	var l diag.List
	l.Add(diag.Diagnostic{Code: "K1", Severity: diag.Error, Labels: labels})
	if diff := gocmp.Diff(labels[:20], l.All()[0].Labels, gocmp.Comparer(func(a, b diag.Label) bool { return a.Span == b.Span })); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

// TestNearestLongWords counts what the comparison with a word allocates, which is
// what it costs: nothing for words that cannot be near.
func TestNearestLongWords(t *testing.T) {
	candidates := []string{strings.Repeat("x", 200), strings.Repeat("y", 250), strings.Repeat("z", 1<<20)}
	if n := testing.AllocsPerRun(10, func() { diag.Nearest("name", candidates) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
