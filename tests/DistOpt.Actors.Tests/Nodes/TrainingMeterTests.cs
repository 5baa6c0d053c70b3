using System.Diagnostics.Metrics;
using DistOpt.Actors.Nodes;
using DistOpt.Core.Tests.Support;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Nodes;

public sealed class TrainingMeterTests : IDisposable
{
    private readonly TrainingMeter _meter = new();
    private readonly MeterListener _listener = new();
    private readonly List<(string Name, double Value, string Tags)> _seen = [];

    public TrainingMeterTests()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (ReferenceEquals(instrument.Meter, _meter.Meter)) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<double>((i, value, tags, _) => Saw(i, value, tags));
        _listener.SetMeasurementEventCallback<long>((i, value, tags, _) => Saw(i, value, tags));
    }

    public void Dispose()
    {
        _listener.Dispose();
        _meter.Dispose();
    }

    [Fact]
    public void A_phase_is_recorded_under_its_name_and_its_job()
    {
        _listener.Start();

        _meter.Phase(new JobId("a"), StepPhase.Compute, 0.25);
        _meter.Phase(new JobId("a"), StepPhase.Data, 0.5);

        Assert.Equal(
        [
            (TrainingMeter.PhaseDuration, 0.25, "phase=compute,job=a"),
            (TrainingMeter.PhaseDuration, 0.5, "phase=data,job=a"),
        ], _seen);
    }

    [Fact]
    public void Bytes_and_failures_are_counted_by_direction_and_kind()
    {
        _listener.Start();

        _meter.Bytes(PayloadDirection.Push, 400);
        _meter.Bytes(PayloadDirection.Pull, 40);
        Assert.Equal([(TrainingMeter.Payload, 400.0, "direction=push"), (TrainingMeter.Payload, 40.0, "direction=pull")], _seen);

        _seen.Clear();
        _meter.Failure(FailureKind.UserCode);
        _listener.RecordObservableInstruments();
        Assert.Equal([.. Enum.GetValues<FailureKind>().Select(kind => kind == FailureKind.UserCode ? 1.0 : 0.0)],
            _seen.Where(s => s.Name == TrainingMeter.Failures).Select(s => s.Value));
        Assert.Contains((TrainingMeter.Failures, 1.0, "kind=user_code"), _seen);
    }

    [Fact]
    public void Labels_for_jobs_are_bounded_also_when_jobs_end()
    {
        _listener.Start();
        for (int i = 0; i < TrainingMeter.JobLabelsMax + 10; i++)
        {
            var job = new JobId($"job-{i}");
            _meter.JobBegan();
            _meter.Phase(job, StepPhase.Push, 1);
            _meter.JobEnded(job);
        }

        var labels = _seen.Where(s => s.Name == TrainingMeter.PhaseDuration).GroupBy(s => s.Tags).ToList();
        Assert.Equal(TrainingMeter.JobLabelsMax + 1, labels.Count);
        Assert.Equal(10, labels.Single(l => l.Key == "phase=push,job=other").Count());
        Assert.Equal(0, _seen.Where(s => s.Name == TrainingMeter.JobsHere).Sum(s => s.Value));
    }

    [Fact]
    public void A_coordinator_shows_its_jobs_and_another_node_nothing()
    {
        _listener.Start();
        _listener.RecordObservableInstruments();
        Assert.DoesNotContain(_seen, s => s.Name == TrainingMeter.CoordinatorJobs);

        _seen.Clear();
        _meter.Jobs(waiting: 3, running: 2);
        _listener.RecordObservableInstruments();

        Assert.Equal([(TrainingMeter.CoordinatorJobs, 3.0, "state=waiting"), (TrainingMeter.CoordinatorJobs, 2.0, "state=running")],
            _seen.Where(s => s.Name == TrainingMeter.CoordinatorJobs));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Recording_allocates_nothing(bool isListenedTo)
    {
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (ReferenceEquals(instrument.Meter, _meter.Meter)) l.EnableMeasurementEvents(instrument);
            },
        };
        double sum = 0;
        listener.SetMeasurementEventCallback<double>((_, value, _, _) => sum += value);
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => sum += value);
        if (isListenedTo) listener.Start();
        var job = new JobId("a");
        Record(10); // warm: the job's labels, and the code
        Assert.Equal(0, Allocations.LeastOf(() => Record(1000)));
        Assert.Equal(isListenedTo, sum > 0);

        void Record(int times)
        {
            for (int i = 0; i < times; i++)
            {
                _meter.Phase(job, StepPhase.Wait, 0.001);
                _meter.Bytes(PayloadDirection.Push, 4096);
                _meter.Failure(FailureKind.Worker);
            }
        }
    }

    private void Saw(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
        _seen.Add((instrument.Name, value, string.Join(",", tags.ToArray().Select(t => $"{t.Key}={t.Value}"))));
}
