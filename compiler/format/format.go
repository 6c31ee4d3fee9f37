// Package format writes unit files in their canonical form. It moves tokens and
// comments and never changes one, so that the meaning of a file stays what it
// is; keys keep their order, and strings and numbers their spelling.
package format

import (
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
)

// Width is the longest line in characters, indentation included, that is not
// broken. A line may still be longer when there is no place to break it.
const Width = 100

const indentation = 2

// Source returns a unit file in canonical form. Of a file that is no valid TOML
// it returns what is wrong instead; other mistakes, such as an unknown key, do
// not keep a file from being formatted. An error is a bug of this package.
//
// The form: one blank line between units, at most one elsewhere and none below a
// header; no indentation and single spaces around "="; a list on one line, unless
// it has comments, is too long, or was written with a line break after its
// opening bracket; then every item has a line and a comma. Lines end in a line
// feed, but what is inside a string stays.
func Source(src *source.File) (canonical []byte, problems []diag.Diagnostic, err error) {
	if problems := unreadable(src); len(problems) > 0 {
		return nil, problems, nil
	}
	before := strings.TrimPrefix(string(src.Text), source.BOM)
	items, err := parse(before)
	if err != nil {
		return nil, nil, fmt.Errorf("format %s: %w: report this", src.Name, err)
	}
	after := text(items)
	if err := sameMeaning(before, after); err != nil {
		return nil, nil, fmt.Errorf("format %s: %w: report this", src.Name, err)
	}
	return []byte(after), nil, nil
}

// unreadable returns what keeps the text of src from being understood. It also
// guards the parser of this package, which has no limits of its own.
func unreadable(src *source.File) []diag.Diagnostic {
	_, found := decode.File(src, "format")
	var problems []diag.Diagnostic
	for _, d := range found.All() {
		// TooManyErrors is about a unit that could be read.
		if family := d.Code[:1]; d.Severity == diag.Error && (family == "S" || family == "X" && d.Code != diag.TooManyErrors) {
			problems = append(problems, d)
		}
	}
	return problems
}
