package diag

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWord bounds the words that are compared, since the cost is the product of
// their lengths; nothing that we name is longer.
const maxWord = 256

// Nearest returns the candidate that word was probably meant to be. Spellings
// that differ only in case, dashes and underscores always match; others when
// at most a third of the word, or one more if both begin alike, is inserted,
// deleted, changed or swapped with its neighbour. Of equally near candidates the
// first one wins.
func Nearest(word string, candidates []string) (string, bool) {
	if word == "" || len(word) > maxWord {
		return "", false
	}
	best, found := "", false
	third := utf8.RuneCountInString(word) / 3
	limit := third + 1
	folded := fold(word)
	m := meter{word: []rune(word)}
	for _, c := range candidates {
		if c == word {
			continue
		}
		if foldsTo(c, folded) {
			return c, true
		}
		if limit == 0 {
			continue // nothing is nearer than the best one
		}
		if d := m.distance(c, limit); d <= limit && (d <= third || sameStart(folded, c)) {
			// Only something nearer replaces it.
			best, found, limit = c, true, d-1
		}
	}
	return best, found
}

// NearAddress reports whether near, the [Nearest] to an address, may have been meant:
// within one group the names have to be near as well, since a long group outweighs
// them.
func NearAddress(address, near string) bool {
	group, name, _ := strings.Cut(address, "@")
	other, meant, full := strings.Cut(near, "@")
	if !full || group != other {
		return true
	}
	_, ok := Nearest(name, []string{meant})
	return ok
}

// sameStart reports whether a, which is folded, and b begin with the same letter.
func sameStart(a, b string) bool {
	x, _ := utf8.DecodeRuneInString(a)
	y, _ := utf8.DecodeRuneInString(b)
	return x == unicode.ToLower(y)
}

func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

// foldsTo reports whether fold(s) is folded, without making it: most candidates
// differ in the first letter.
func foldsTo(s, folded string) bool {
	for _, r := range s {
		if r == '-' || r == '_' {
			continue
		}
		want, n := utf8.DecodeRuneInString(folded)
		if n == 0 || unicode.ToLower(r) != want {
			return false
		}
		folded = folded[n:]
	}
	return folded == ""
}

// meter measures how far words are from one word. It keeps its memory from one to
// the next: a misspelt name is compared with all names of a plan.
type meter struct {
	word, other         []rune
	above2, above, next []int
}

// distance returns the Damerau-Levenshtein distance of the word and b (each part is
// changed once at most), or something above limit when it is above limit.
func (m *meter) distance(b string, limit int) int {
	s := m.word
	// A rune has at most four bytes, so this is the least difference in runes.
	if len(b) > maxWord || len(b) > utf8.UTFMax*(len(s)+limit) || len(b)+limit < len(s) {
		return limit + 1
	}
	t := m.other[:0]
	for _, r := range b {
		t = append(t, r)
	}
	m.other = t
	if d := len(s) - len(t); d > limit || -d > limit {
		return limit + 1
	}
	// What both begin and end with is no difference; names of units often share much.
	for len(s) > 0 && len(t) > 0 && s[0] == t[0] {
		s, t = s[1:], t[1:]
	}
	for len(s) > 0 && len(t) > 0 && s[len(s)-1] == t[len(t)-1] {
		s, t = s[:len(s)-1], t[:len(t)-1]
	}
	if len(m.next) <= len(t) {
		n := len(t) + 16
		m.above2, m.above, m.next = make([]int, n), make([]int, n), make([]int, n)
	}
	// Three rows of the matrix: this one, the one above, the one above that.
	above2, above, row := m.above2[:len(t)+1], m.above[:len(t)+1], m.next[:len(t)+1]
	for j := range above {
		above[j] = j
	}
	for i := range s {
		row[0] = i + 1
		least := row[0]
		for j := range t {
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			d := min(above[j+1]+1, row[j]+1, above[j]+cost)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				d = min(d, above2[j-1]+1)
			}
			row[j+1] = d
			least = min(least, d)
		}
		if least > limit {
			return least // nothing below is less: not even a swap, which reaches two rows up
		}
		above2, above, row = above, row, above2
	}
	return above[len(t)]
}
