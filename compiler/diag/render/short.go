package render

import (
	"bufio"
	"fmt"
	"io"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

var shortFormat = Format{
	Name:   "short",
	About:  "one line each, as compilers write them",
	People: true,
	Write: func(w io.Writer, r Report) error {
		out := bufio.NewWriter(w)
		for _, d := range r.Diags {
			fmt.Fprintln(out, line(d, r.Locate)) //nolint:errcheck // Flush returns it
		}
		return out.Flush()
	},
}

// line returns a diagnostic as "file:line:column: error: message [CODE]".
func line(d diag.Diagnostic, locate func(source.Place) source.Span) string {
	return place(d.Where(locate)) + headline(d)
}

func headline(d diag.Diagnostic) string {
	return fmt.Sprintf("%s: %s [%s]", d.Severity, Visible(d.Message), Visible(string(d.Code)))
}

// place returns "file:line:column: ", or nothing for a span without a file.
func place(at source.Span) string {
	if at.IsZero() {
		return ""
	}
	n, column := at.File.Position(at.Start)
	return fmt.Sprintf("%s:%d:%d: ", Visible(at.File.Name), n, column)
}
