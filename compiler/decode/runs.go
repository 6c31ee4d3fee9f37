package decode

import (
	"maps"
	"runtime"

	"github.com/rind-sockets/rind/compiler/diag"
)

// runSize is how many bytes of a large file are decoded at a time: enough to
// forget what each run costs, and so few that several processors have something
// to do, and that the values of the whole file never exist at the same time.
const runSize = 256 << 10

// run is a range of segments, end excluded, that has all of its units: it means
// the same alone as in its file.
type run struct{ first, end int }

// runs divides a large file into runs of size bytes or a little more. It returns
// nil for a small one, and for one in which something may be wrong between the
// units.
func (d *decoder) runs(size int) []run {
	if len(d.text) < 2*size || len(d.lay.open) > 0 || d.keysOutside() {
		return nil
	}
	segments := d.lay.segments
	last := 0 // the segment up to which the units before this one reach
	belong := make([]bool, len(segments))
	out := []run{{}}
	for i := 1; i < len(segments); i++ {
		s := &segments[i]
		if !s.isUnit() {
			if !belong[i] {
				return nil
			}
			continue
		}
		if begin := out[len(out)-1].first; i > last && s.start-segments[begin].start >= size {
			out[len(out)-1].end = i
			out = append(out, run{first: i})
		}
		for j := s.next; j != 0; j = segments[j].next {
			belong[j] = true
			last = max(last, j)
		}
	}
	out[len(out)-1].end = len(segments)
	return out
}

// keysOutside reports whether there are keys above the first header.
func (d *decoder) keysOutside() bool {
	values, bad := decodeTOML(d.text[d.lay.segments[0].start:d.lay.segments[0].end])
	return bad != nil || len(values) > 0
}

// decoded is what comes of a run.
type decoded struct {
	contents
	damage

	diags *diag.List
	sound bool // else the file has to be decoded as a whole
}

// inRuns decodes the runs of a file on all processors and binds their units in
// the order of the file. It reports whether that was possible.
func (d *decoder) inRuns(runs []run) bool {
	results := make([]chan decoded, len(runs))
	begun := 0
	begin := func() {
		if begun == len(runs) {
			return
		}
		result, r := make(chan decoded, 1), runs[begun]
		results[begun] = result
		begun++
		go func() { result <- d.decodeRun(r) }()
	}
	for range 2 * runtime.GOMAXPROCS(0) {
		begin()
	}
	sound, enough, top := true, false, map[string]any{}
	for i := 0; i < begun; i++ {
		part := <-results[i] // also when it is of no use any more: its goroutine ends
		if sound = sound && part.sound; !sound || enough {
			continue
		}
		if enough = d.gaveUp(); enough {
			continue
		}
		begin()
		d.diags.Append(part.diags)
		d.damage.add(part.damage)
		maps.Copy(top, part.top)
		d.bind(part.units)
	}
	if sound {
		d.topLevel(top)
	}
	return sound
}

// decodeRun decodes a run, or if that fails its units one by one. It changes
// nothing of d.
func (d *decoder) decodeRun(r run) decoded {
	part := decoder{src: d.src, text: d.text, lay: d.lay, diags: &diag.List{}, damage: newDamage()}
	out := decoded{diags: part.diags, sound: true}
	values, bad := decodeTOML(d.text[d.lay.segments[r.first].start:d.lay.segments[r.end-1].end])
	if bad == nil {
		out.contents = contentsOf(values, d.unitsOf(r))
		for key := range out.top {
			out.sound = out.sound && !supported(key)
		}
	} else {
		out.contents, out.sound = part.decodeUnits(r)
	}
	part.checkExtended(r)
	out.damage = part.damage
	return out
}

// unitsOf returns how many units of each kind a run has.
func (d *decoder) unitsOf(r run) map[string]int {
	n := map[string]int{}
	for _, s := range d.lay.segments[r.first:r.end] {
		if s.isUnit() {
			n[s.kind]++
		}
	}
	return n
}
