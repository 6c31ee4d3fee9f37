package format

import (
	"errors"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/grammar"
)

// sameMeaning reports when two texts do not have the same comments, or the same
// tokens apart from those that mean nothing: spaces, line breaks in lists, blank
// lines, and the comma behind the last item of a list.
func sameMeaning(before, after string) error {
	old, oldComments := essence(before)
	formatted, comments := essence(after)
	if !slices.Equal(oldComments, comments) {
		return errors.New("a comment would be lost or moved past another")
	}
	if !slices.Equal(old, formatted) {
		return errors.New("the meaning would change")
	}
	return nil
}

// essence returns the tokens of text that mean something, with "\n" for the end
// of a line outside lists, and the comments.
func essence(text string) (tokens, comments []string) {
	depth := 0
	drop := func(last string) {
		if n := len(tokens); n > 0 && tokens[n-1] == last {
			tokens = tokens[:n-1]
		}
	}
	for tok := range grammar.TOMLTokens(text) {
		switch tok.Kind {
		case grammar.TOMLSpace:
			continue
		case grammar.TOMLComment:
			comments = append(comments, strings.TrimRight(tok.Text, " \t\r"))
			continue
		case grammar.TOMLNewline:
			if n := len(tokens); depth == 0 && n > 0 && tokens[n-1] != "\n" {
				tokens = append(tokens, "\n")
			}
			continue
		case grammar.TOMLWord, grammar.TOMLStrange:
		case grammar.TOMLPunct:
			switch tok.Text {
			case "[", "{":
				depth++
			case "]", "}":
				depth = max(depth-1, 0)
				drop(",")
			}
		}
		tokens = append(tokens, tok.Text)
	}
	drop("\n")
	return tokens, comments
}
