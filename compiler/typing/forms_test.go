package typing_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/compiler/typing"
)

// form is one condition in both spellings.
type form struct{ toml, text string }

var words = rapid.SampledFrom([]string{"on", "", "a b", `"`, `\`, "it's", "é\n", "not", "eth0"})

func quoted(s string) string {
	out, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// filters generates values for `as`, in the spelling of TOML, and the predicates
// that SPEC §4.3 says they are.
func filters(depth int) *rapid.Generator[func(path string) (toml string, preds []string)] {
	return rapid.Custom(func(t *rapid.T) func(string) (string, []string) {
		kind := rapid.IntRange(0, 6).Draw(t, "kind")
		if depth == 0 {
			kind %= 4
		}
		scalar := func(toml string) func(string) (string, []string) {
			return func(path string) (string, []string) { return toml, []string{path + " == " + toml} }
		}
		switch kind {
		case 0:
			return scalar(quoted(words.Draw(t, "string")))
		case 1:
			return scalar(fmt.Sprint(rapid.IntRange(-3, 300).Draw(t, "integer")))
		case 2:
			return scalar(rapid.SampledFrom([]string{"1.5", "-0.25", "1.0", "true", "false"}).Draw(t, "scalar"))
		case 3:
			items := rapid.SliceOfN(rapid.IntRange(0, 9), 0, 3).Draw(t, "items")
			return func(path string) (toml string, preds []string) {
				if len(items) == 0 {
					return "[]", []string{path + " is array"}
				}
				var list []string
				for _, item := range items {
					list = append(list, fmt.Sprint(item))
					preds = append(preds, fmt.Sprintf("%s has %d", path, item))
				}
				return "[" + strings.Join(list, ", ") + "]", preds
			}
		}
		fields := rapid.MapOfN(rapid.SampledFrom([]string{"id", "up", "a b", "c.d", "in"}), filters(depth-1), 0, 3).Draw(t, "fields")
		return func(path string) (string, []string) {
			if len(fields) == 0 {
				return "{}", []string{path + " is object"}
			}
			var list, preds []string
			for _, key := range slices.Sorted(maps.Keys(fields)) {
				toml, more := fields[key](path + "/" + quoted(key))
				list = append(list, quoted(key)+" = "+toml)
				preds = append(preds, more...)
			}
			return "{ " + strings.Join(list, ", ") + " }", preds
		}
	})
}

// tests generates a test of a payload of json and what it is sugar for.
func tests(t *rapid.T, root string) (toml string, preds []string) {
	switch rapid.IntRange(0, 2).Draw(t, "test") {
	case 0:
		s := quoted(words.Draw(t, "equal"))
		return s, []string{root + " == " + s}
	case 1:
		s := quoted(words.Draw(t, "part"))
		return "{ contains = " + s + " }", []string{root + " contains " + s}
	}
	if root == "branch" {
		s := quoted(words.Draw(t, "key"))
		return "{ as = { id = " + s + " } }", []string{"branch/id == " + s}
	}
	toml, preds = filters(2).Draw(t, "filter")(root)
	for !strings.HasPrefix(toml, "{") {
		toml, preds = filters(2).Draw(t, "filter")(root)
	}
	return "{ as = " + toml + " }", preds
}

// forms generates conditions.
func forms(depth int, signals bool) *rapid.Generator[form] {
	return rapid.Custom(func(t *rapid.T) form {
		kind := rapid.IntRange(0, 6).Draw(t, "kind")
		if depth == 0 {
			kind %= 4
		}
		switch {
		case kind == 0:
			return form{`"mode"`, "mode"}
		case kind == 1 && signals:
			target, preds := tests(t, "target")
			return form{
				fmt.Sprintf(`{ signal = "report", target = %s }`, target),
				fmt.Sprintf("signal report(%s)", strings.Join(preds, " and ")),
			}
		case kind <= 2:
			target, preds := tests(t, "target")
			branch, more := tests(t, "branch")
			return form{
				fmt.Sprintf(`{ state = "link", target = %s, branch = %s }`, target, branch),
				fmt.Sprintf("state link(%s)", strings.Join(append(preds, more...), ", ")),
			}
		case kind == 3:
			return form{`{ state = "blob", target = { binary = true } }`, "blob(target is bytes)"}
		case kind == 4:
			x := forms(depth-1, false).Draw(t, "operand")
			return form{"{ not = " + x.toml + " }", "not (" + x.text + ")"}
		}
		list := rapid.SliceOfN(forms(depth-1, signals), 1, 3).Draw(t, "list")
		var items, texts []string
		for _, x := range list {
			items, texts = append(items, x.toml), append(texts, "("+x.text+")")
		}
		if kind == 5 {
			return form{"{ all = [" + strings.Join(items, ", ") + "] }", strings.Join(texts, " and ")}
		}
		return form{"{ any = [" + strings.Join(items, ", ") + "] }", "any(" + strings.Join(texts, ", ") + ")"}
	})
}

// TestS164Forms: a condition of the string language and its TOML form compile to
// the same tree, and so does the text that the tree is printed as.
func TestS164Forms(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := forms(3, true).Draw(rt, "condition")
		want, problems := typed(t, "["+f.toml+"]", typing.Any)
		if len(problems) > 0 {
			rt.Fatalf("%s: %q", f.toml, problems)
		}
		text, problems := typed(t, "["+quoted("("+f.text+")")+"]", typing.Any)
		if diff := cmp.Diff(want, text); diff != "" || len(problems) > 0 {
			rt.Fatalf("%s\nand %s\nare two conditions (%q):\n%s", f.toml, f.text, problems, diff)
		}
		printed := parseTree(t, want).String()
		again, problems := typed(t, "["+quoted("("+printed+")")+"]", typing.Any)
		if diff := cmp.Diff(want, again); diff != "" || len(problems) > 0 {
			rt.Fatalf("%s\nis printed as %s\nwhich is another condition (%q):\n%s", f.toml, printed, problems, diff)
		}
	})
}
