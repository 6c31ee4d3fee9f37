package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/compiler/check"
	"github.com/rind-sockets/rind/compiler/diag"
)

// TestAnalysisManual keeps the table of docs/analysis.md true.
func TestAnalysisManual(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "analysis.md"))
	if err != nil {
		t.Fatal(err)
	}
	manual := string(data)
	rows := 0
	for _, r := range check.Rules {
		severity := r.Severity.String()
		if r.Strict {
			severity = "`--strict`"
		}
		row := fmt.Sprintf("| %s | %s | %s |\n", r.Code, severity, r.Title)
		switch {
		case strings.Contains(manual, row):
			rows++
		case strings.HasPrefix(string(r.Code), "F"), r.Strict, r.Severity == diag.Note:
			t.Errorf("docs/analysis.md lacks the row %q", row)
		}
	}
	if n := strings.Count(manual, "\n| ") - strings.Count(manual, "\n| code "); n != rows {
		t.Errorf("docs/analysis.md has %d rows, %d of which are rules", n, rows)
	}
}
