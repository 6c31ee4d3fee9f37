package grammar_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/grammar"
)

func TestTOMLTokens(t *testing.T) {
	const (
		space, newline, comment = grammar.TOMLSpace, grammar.TOMLNewline, grammar.TOMLComment
		word, punct, strange    = grammar.TOMLWord, grammar.TOMLPunct, grammar.TOMLStrange
	)
	tests := []struct {
		name, text string
		want       []grammar.TOMLToken
	}{
		{"empty", "", nil},
		{"header", "[[a.b]] # c\r\n", []grammar.TOMLToken{
			{punct, "[["}, {word, "a"}, {punct, "."}, {word, "b"}, {punct, "]]"}, {space, " "}, {comment, "# c\r"}, {newline, "\n"},
		}},
		{"value", "1 = [1.5,\n[2]]", []grammar.TOMLToken{
			{word, "1"},
			{space, " "},
			{punct, "="},
			{space, " "},
			{punct, "["},
			{word, "1.5"},
			{punct, ","},
			{newline, "\n"},
			{punct, "["},
			{word, "2"},
			{punct, "]"},
			{punct, "]"},
		}},
		{"inline table", "a={'b'=\"\"\"\nx\"\"\"\r\n}", []grammar.TOMLToken{
			{word, "a"}, {punct, "="}, {punct, "{"}, {word, "'b'"}, {punct, "="}, {word, "\"\"\"\nx\"\"\""}, {newline, "\r\n"}, {punct, "}"},
		}},
		{"strange", "a ; \r", []grammar.TOMLToken{
			{word, "a"}, {space, " "}, {strange, ";"}, {space, " "}, {strange, "\r"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []grammar.TOMLToken
			for tok := range grammar.TOMLTokens(tt.text) {
				got = append(got, tok)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("TOMLTokens(%q) (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

// FuzzTOMLTokens proves that the tokens of any text are the text.
func FuzzTOMLTokens(f *testing.F) {
	f.Add("[[socket]]\nname = \"a\" # b\r\nstart-on = [{ a = 1 },\n 'x']\n")
	f.Add("\x00 \" ''' \"\"\" [[[{{{=,=,.. \r\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		var back strings.Builder
		for tok := range grammar.TOMLTokens(text) {
			if tok.Text == "" || tok.Kind == 0 {
				t.Fatalf("token %+v of %q", tok, text)
			}
			back.WriteString(tok.Text)
		}
		if back.String() != text {
			t.Errorf("the tokens of %q are %q", text, back.String())
		}
	})
}
