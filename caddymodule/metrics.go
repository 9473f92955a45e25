package caddymodule

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cdxgate/cdxgate/internal/periodic"
)

// scrapeTimeout bounds what a scrape asks the database for.
const scrapeTimeout = 2 * time.Second

// jobMetrics says when each job last succeeded, as it is known at the moment of the scrape.
type jobMetrics struct {
	scheduler *periodic.Scheduler
	logger    *slog.Logger
	lastOK    *prometheus.Desc
}

// exportJobs adds the jobs to what Caddy's directive “metrics” and its admin endpoint show. Each configuration has a registry
// of its own.
func exportJobs(registry *prometheus.Registry, scheduler *periodic.Scheduler, logger *slog.Logger) {
	metrics := &jobMetrics{scheduler, logger, prometheus.NewDesc(
		"cdxgate_job_last_success_timestamp_seconds",
		"When a job last succeeded, on whichever gateway, in seconds of the epoch. A job that never did is not there.", []string{"job"}, nil,
	)}
	if err := registry.Register(metrics); err != nil {
		logger.Error("jobs cannot be shown as metrics", "error", err)
	}
}

// Describe implements prometheus.Collector.
func (m *jobMetrics) Describe(to chan<- *prometheus.Desc) { to <- m.lastOK }

// Collect implements prometheus.Collector. Without the database there is nothing to say, which is no reason to withhold
// what others have to.
func (m *jobMetrics) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	lastOK, err := m.scheduler.LastOK(ctx)
	if err != nil {
		m.logger.Warn("jobs cannot be shown as metrics now", "error", err)
		return
	}
	for job, at := range lastOK {
		to <- prometheus.MustNewConstMetric(m.lastOK, prometheus.GaugeValue, float64(at.UnixMilli())/1000, job)
	}
}
