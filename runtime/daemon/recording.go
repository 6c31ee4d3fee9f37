package daemon

import (
	"log/slog"

	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/record"
)

// config is what the engine of this run has to know beside the plan.
func (d *daemon) config() flow.Config { return flow.Config{Variables: d.variables, Announce: true} }

// startRecord begins the record of this run, if somebody wants one, the metrics, the
// spans, and what the status knows beyond the engine. Without the record the run is as
// good as with it, so what goes wrong is only logged.
func (d *daemon) startRecord() *record.Recorder {
	all := recorders{d.moments, &d.reloads}
	if d.observed.metrics != nil {
		all = append(all, d.observed.metrics)
	}
	if d.observed.tracer != nil {
		all = append(all, d.observed.tracer)
	}
	r := d.newRecord()
	if r != nil {
		all = append(all, r)
	}
	d.loop.Record(all)
	return r
}

func (d *daemon) newRecord() *record.Recorder {
	if d.opts.Record == nil {
		return nil
	}
	r, err := record.New(d.opts.Record, d.opts.Plan, d.config())
	if err != nil {
		d.log.Error("nothing is recorded", slog.Any("error", err))
		return nil
	}
	return r
}

func (d *daemon) endRecord(r *record.Recorder) {
	if r == nil {
		return
	}
	if err := r.Close(); err != nil {
		d.log.Error("the record is not complete", slog.Any("error", err))
	}
}
