package render

import (
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
)

// Explain returns what there is to know about a code, for people: what it
// means, how to make the mistake, and how to avoid it.
func Explain(info diag.Info) string {
	var b strings.Builder
	when := ""
	if info.Strict {
		when = ", only with --strict"
	}
	fmt.Fprintf(&b, "%s: %s (%s%s)\n\n%s\n", info.Code, info.Title, info.Severity, when, info.Text)
	for _, e := range []struct{ what, example string }{{"Wrong", info.Wrong}, {"Right", info.Right}} {
		if e.example == "" {
			continue
		}
		fmt.Fprintf(&b, "\n%s:\n\n", e.what)
		for l := range strings.SplitSeq(strings.Trim(e.example, "\n"), "\n") {
			if l = Visible(l); l != "" {
				l = "    " + l
			}
			fmt.Fprintln(&b, l)
		}
	}
	return b.String()
}
