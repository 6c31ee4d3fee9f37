package diff

import (
	"slices"

	"github.com/rind-sockets/rind/plan/words"
)

// fields returns what two definitions of one type say differently, in the order
// of the type; what only the new one says comes last.
func (c *comparer) fields(before, after any) []Field {
	was, is := c.old.Fields(before), c.new.Fields(after)
	if slices.Equal(was, is) {
		return nil
	}
	old := texts(was)
	var out []Field
	current := texts(is)
	for _, f := range was {
		if now := current[f.Key]; now != f.Text {
			out = append(out, Field{Key: f.Key, Old: f.Text, New: now})
		}
	}
	for _, f := range is {
		if _, ok := old[f.Key]; !ok {
			out = append(out, Field{Key: f.Key, New: f.Text})
		}
	}
	return out
}

func texts(fields []words.Field) map[string]string {
	m := make(map[string]string, len(fields))
	for _, f := range fields {
		m[f.Key] = f.Text
	}
	return m
}
