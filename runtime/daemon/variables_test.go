package daemon

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

func TestVariables(t *testing.T) {
	list, err := cond.ParseJSON([]byte(`["a"]`))
	if err != nil {
		t.Fatal(err)
	}
	text := cond.StringValue("default")
	p := &plan.Plan{Variables: []plan.Variable{
		{Name: "bare", Env: "BARE"},
		{Name: "fixed", Default: &text},
		{Name: "hosts", Default: &list, Env: "HOSTS"},
		{Name: "name", Default: &text, Env: "NAME"},
	}}
	tests := []struct {
		name    string
		environ []string
		want    map[string]string
		wantErr string
	}{
		{name: "none is set", environ: []string{"OTHER=1"}, want: map[string]string{}},
		{
			name: "all are set", environ: []string{"BARE=5", `HOSTS=["b", "c=d"]`, "NAME=", "NAME=x=y"},
			want: map[string]string{"bare": "5", "hosts": `["b","c=d"]`, "name": "x=y"},
		},
		{name: "an empty one is text too", environ: []string{"NAME="}, want: map[string]string{"name": ""}},
		{
			name: "another type", environ: []string{"HOSTS={}"},
			wantErr: "variable hosts: the environment variable HOSTS is an object, want an array as the default: correct or unset it",
		},
		{
			name: "all that are wrong", environ: []string{"HOSTS=[", "BARE=\xff"},
			wantErr: "variable bare: the environment variable BARE is no valid UTF-8: correct or unset it\n" +
				"variable hosts: the environment variable HOSTS is no JSON (unexpected EOF): correct or unset it",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			values, err := variables(p, tt.environ)
			msg := ""
			if err != nil {
				msg = err.Error()
			}
			if msg != tt.wantErr {
				t.Fatalf("error = %q, want %q", msg, tt.wantErr)
			}
			if err != nil {
				return
			}
			got := map[string]string{}
			for name, v := range values {
				got[name] = string(v.Raw())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("variables (-want +got):\n%s", diff)
			}
		})
	}
}
