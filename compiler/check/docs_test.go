package check_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler/check"
	"github.com/rind-sockets/rind/compiler/diag"
)

var update = flag.Bool("update", false, "write the table of docs/analysis.md")

// others are the rules that the manual is about although their codes do not tell.
var others = []diag.Code{"A4103", "A4104", "P6107"}

// TestAnalysisManual keeps the table of docs/analysis.md true.
func TestAnalysisManual(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "analysis.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	table := regexp.MustCompile(`(?s)(\| code \| severity \| finding \|\n\|---\|---\|---\|\n).*?\n\n`)
	if len(table.FindAllString(string(data), -1)) != 1 {
		t.Fatal("docs/analysis.md has no table of the rules")
	}
	manual := table.ReplaceAllString(string(data), "${1}"+rows()+"\n")
	if diff := cmp.Diff(string(data), manual); diff != "" && !*update {
		t.Errorf("docs/analysis.md is stale: run make golden (-have +want):\n%s", diff)
	}
	if *update {
		if err := os.WriteFile(path, []byte(manual), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// rows returns the rows of the table: rules about the flow, and others that are
// silent now and then.
func rows() string {
	var flow, rest []string
	for _, r := range check.Rules() {
		severity := r.Severity.String()
		if r.Strict {
			severity = "`--strict`"
		}
		row := fmt.Sprintf("| %s | %s | %s |\n", r.Code, severity, r.Title)
		switch {
		case strings.HasPrefix(string(r.Code), "F"):
			flow = append(flow, row)
		case r.Strict, r.Severity == diag.Note, slices.Contains(others, r.Code):
			rest = append(rest, row)
		}
	}
	slices.Sort(flow)
	slices.Sort(rest)
	return strings.Join(slices.Concat(flow, rest), "")
}
