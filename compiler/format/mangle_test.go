package format_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/grammar"
)

// mangled returns valid TOML with another layout: spaces, line breaks and
// comments wherever TOML allows them.
func mangled(t *rapid.T, text string) string {
	pick := func(choices ...string) string { return rapid.SampledFrom(choices).Draw(t, "layout") }
	var b strings.Builder
	depth, value := 0, false // open brackets of values; right of "="
	var last grammar.TOMLKind
	for tok := range grammar.TOMLTokens(text) {
		switch {
		case tok.Kind == grammar.TOMLSpace:
			b.WriteString(pick("", " ", "\t ", "   "))
			continue // the kind before it is what matters
		case tok.Kind == grammar.TOMLNewline && last == grammar.TOMLComment:
			b.WriteString(pick("\n", "\n\n\n", "\r\n"))
			value = value && depth > 0
		case tok.Kind == grammar.TOMLNewline:
			b.WriteString(pick("\n", "\r\n", " # added\n", "#added  \r\n", "\n\n\n", "\n# added\n\n"))
			value = value && depth > 0
		case tok.Kind == grammar.TOMLPunct && value && strings.Contains("[{", tok.Text):
			depth++
			b.WriteString(tok.Text + pick("", "", " ", "\n", " # added\n", "\n\n # added\n"))
		case tok.Kind == grammar.TOMLPunct && value && strings.Contains("]}", tok.Text):
			depth--
			b.WriteString(pick("", "", "\n", " # added\n") + tok.Text)
		case tok.Kind == grammar.TOMLPunct && value && tok.Text == ",":
			b.WriteString(pick("", "\n", "# added\n\n") + tok.Text + pick("", " ", "\n\n\n", " # added\n", "\n # added\n# added\n"))
		default:
			value = value || tok.Text == "="
			b.WriteString(tok.Text)
		}
		last = tok.Kind
	}
	return b.String()
}

// TestS165Mangled formats the unit files of the repository after they have lost
// their layout. Their plans, which exist, stay what they are.
func TestS165Mangled(t *testing.T) {
	tests := []struct {
		name    string
		hasPlan bool
	}{
		{"testdata/units.toml", true},
		{"../../examples/quickstart/echo.toml", true},
		{"../decode/testdata/positions/features.toml", false},
	}
	for _, tt := range tests {
		t.Run(filepath.Base(tt.name), func(t *testing.T) {
			text, err := os.ReadFile(tt.name)
			if err != nil {
				t.Fatal(err)
			}
			rapid.Check(t, func(t *rapid.T) {
				in := mangled(t, string(text))
				if tt.hasPlan && planOf(t, in) == nil {
					t.Fatalf("the file has no plan:\n%s", in)
				}
				checkFormatted(t, in)
			})
		})
	}
}
