package cond_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/plan/cond"
)

// values generates payloads of every kind.
func values() *rapid.Generator[cond.Value] {
	return rapid.Custom(func(t *rapid.T) cond.Value {
		switch rapid.SampledFrom(cond.Kinds).Draw(t, "kind") {
		case cond.String:
			return cond.StringValue(rapid.String().Draw(t, "text"))
		case cond.Bytes:
			return cond.BytesValue(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		case cond.JSON:
			v, err := cond.JSONValue(map[string]any{
				rapid.String().Draw(t, "key"): rapid.String().Draw(t, "value"),
				"number":                      json.Number(rapid.SampledFrom([]string{"1", "1.0", "1e400", "-0"}).Draw(t, "number")),
				"<&>":                         nil,
			})
			if err != nil {
				t.Fatal(err)
			}
			return v
		case cond.None:
		}
		return cond.NoneValue()
	})
}

func TestValueRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := values().Draw(t, "value")
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var got cond.Value
		if err := json.Unmarshal(data, &got); err != nil || !got.Equal(v) {
			t.Errorf("%s is %q, %v; want %q", data, got.Raw(), err, v.Raw())
		}
		parsed, err := cond.ParseValue(v.Kind(), v.Raw())
		if err != nil || !parsed.Equal(v) {
			t.Errorf("ParseValue(%v, %q) = %q, %v", v.Kind(), v.Raw(), parsed.Raw(), err)
		}
	})
}

func TestValueRefuses(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"no kind", `{}`, "invalid payload kind"},
		{"an unknown kind", `{"kind":"xml"}`, `unknown payload kind "xml"`},
		{"a string without text", `{"kind":"string"}`, "needs text"},
		{"json without a document", `{"kind":"json"}`, "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var v cond.Value
			if err := json.Unmarshal([]byte(tt.in), &v); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Unmarshal error = %v, want one with %q", err, tt.want)
			}
		})
	}
	if _, err := json.Marshal(cond.Value{}); err == nil {
		t.Error("the zero Value is marshalled")
	}
	for kind, raw := range map[cond.Kind]string{cond.None: "x", cond.String: "\xFF", cond.JSON: "{} {}", 0: ""} {
		if v, err := cond.ParseValue(kind, []byte(raw)); err == nil {
			t.Errorf("ParseValue(%v, %q) = %v, want an error", kind, raw, v)
		}
	}
}

func TestExprRoundTrips(t *testing.T) {
	const text = `{"and":[{"or":[{"atom":{"state":"a@b"}},{"not":{"atom":{"state":"a@c"}}}]},` +
		`{"atom":{"signal":"a@d","guard":{"and":[{"pred":{"root":"target","path":["x","0"],"op":"==","lit":1.0}},` +
		`{"not":{"or":[{"pred":{"root":"branch","op":"has","lit":{"a":[1,"<&>"]}}}]}}]}}}]}`
	var e cond.Expr
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.NewReplacer("<", `\u003c`, "&", `\u0026`, ">", `\u003e`).Replace(text), string(got)); diff != "" {
		t.Errorf("Marshal(Unmarshal(x)) (-want +got):\n%s", diff)
	}
	var names []string
	e.Atoms(func(a cond.Atom) { names = append(names, a.Name) })
	if diff := cmp.Diff([]string{"a@b", "a@c", "a@d"}, names); diff != "" {
		t.Errorf("Atoms (-want +got):\n%s", diff)
	}
}

func TestExprRefuses(t *testing.T) {
	tests := []struct{ name, in string }{
		{"an atom without a name", `{"atom":{}}`},
		{"an atom with two names", `{"atom":{"state":"a@b","signal":"a@b"}}`},
		{"an unknown root", `{"atom":{"state":"a@b","guard":{"pred":{"root":"here","op":"=="}}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var e cond.Expr
			if err := json.Unmarshal([]byte(tt.in), &e); err == nil {
				t.Errorf("Unmarshal(%s) = %+v, want an error", tt.in, e)
			}
		})
	}
	for _, e := range []cond.Expr{
		{Atom: &cond.Atom{Name: "a@b"}},
		{Atom: &cond.Atom{Kind: cond.State, Name: "a@b", Guard: &cond.Guard{Pred: &cond.Pred{Op: cond.OpEqual}}}},
	} {
		if text, err := json.Marshal(e); err == nil {
			t.Errorf("Marshal of an invalid expression = %s, want an error", text)
		}
	}
}

func TestOperatorsAreComplete(t *testing.T) {
	for _, o := range cond.Operators {
		found, ok := cond.LookupOperator(o.Op)
		if !ok || found.Doc == "" || len(found.Kinds) == 0 || found.CheckLiteral == nil {
			t.Errorf("operator %s lacks a part of its row", o.Op)
		}
	}
	if _, ok := cond.LookupOperator("~"); ok {
		t.Error("LookupOperator finds what is not in the table")
	}
}
