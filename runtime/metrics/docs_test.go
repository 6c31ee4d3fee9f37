package metrics

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

// The table of docs/observation.md has exactly the series of a scrape that shows
// everything, with their labels and types.
func TestDocumentedSeries(t *testing.T) {
	page, err := os.ReadFile("../../docs/observation.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	series := regexp.MustCompile("`(rind_[a-z_]+)(?:\\{([a-z_,]+)\\})?`")
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.HasPrefix(cells[1], " `rind_") {
			continue
		}
		for _, m := range series.FindAllStringSubmatch(cells[1], -1) {
			labels := strings.Split(m[2], ",")
			slices.Sort(labels)
			documented[m[1]] = strings.TrimSpace(cells[2]) + " {" + strings.Join(labels, ",") + "}"
		}
	}
	s := newScene(t)
	s.view.Sockets = append(s.view.Sockets, flow.SocketStatus{Def: &plan.Socket{Name: "t@e", Accept: true}})
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "rind_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		slices.Sort(labels)
		shown[f.GetName()] = strings.ToLower(f.GetType().String()) + " {" + strings.Join(labels, ",") + "}"
	}
	if diff := cmp.Diff(shown, documented); diff != "" {
		t.Errorf("docs/observation.md (-scrape +page)\n%s", diff)
	}
}
