using System.Text.Json;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Studies;
using DistOpt.Hosting.Tests.Support;

namespace DistOpt.Hosting.Tests.Studies;

/// <summary>The best trial of a study on a cluster is measured in a process that others need.</summary>
public sealed class StudyMeasuringTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("distopt-measuring-").FullName;
    private readonly JobParts _parts = LinearParts.Of(new LinearRuntime());
    private int _measured;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private StudyDirectory StudyPlace => new(Path.Combine(_root, "study"));

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task What_has_ended_the_process_is_not_measured_again_and_the_study_has_its_results()
    {
        using (var first = Open(() => new Dictionary<string, double> { ["accuracy"] = 0.5 }))
            await LocalStudyHost.RunAsync(first.Run, StudyPlace.JournalFile, _parts, null, Token);
        // as a process leaves it that ended in user code
        await File.WriteAllTextAsync(StudyPlace.MeasuringFile, "", Token);

        using var next = Open(() => new Dictionary<string, double> { ["accuracy"] = 0.5 });
        var status = await LocalStudyHost.RunAsync(next.Run, StudyPlace.JournalFile, _parts, null, Token);
        var summary = Parse(next.End(status, Token));

        Assert.Equal(0, _measured);
        Assert.Equal("completed", summary.GetProperty("status").GetString());
        Assert.Contains("ended while it measured this", summary.GetProperty("test_error").GetString());
        Assert.False(summary.TryGetProperty("test", out _));
        Assert.Equal(2, summary.GetProperty("trials").GetProperty("complete").GetInt32());
        Assert.True(File.Exists(Path.Combine(StudyPlace.BestFolder, "model.safetensors")));

        // whoever has it go on has it measured once more
        summary = Parse(next.End(status, Token));
        Assert.Equal((1, 0.5), (_measured, summary.GetProperty("test").GetProperty("accuracy").GetDouble()));
        Assert.False(summary.TryGetProperty("test_error", out _));
    }

    [Fact]
    public async Task That_it_is_measured_is_known_meanwhile_and_what_throws_costs_the_study_its_test_alone()
    {
        bool wasKnown = false;
        using var session = Open(() =>
        {
            wasKnown = File.Exists(StudyPlace.MeasuringFile);
            throw new OutOfMemoryException("there is no memory for that");
        });
        var status = await LocalStudyHost.RunAsync(session.Run, StudyPlace.JournalFile, _parts, null, Token);

        var summary = Parse(session.End(status, Token));

        Assert.True(wasKnown);
        Assert.False(File.Exists(StudyPlace.MeasuringFile));
        Assert.Equal(("completed", "there is no memory for that"), (summary.GetProperty("status").GetString(), summary.GetProperty("test_error").GetString()));
        Assert.Contains("there is no memory for that", await File.ReadAllTextAsync(StudyPlace.SummaryFile, Token));
    }

    [Fact]
    public async Task A_process_that_is_to_end_leaves_it_to_the_next_one()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        using var session = Open(() =>
        {
            stop.Cancel();
            throw new OperationCanceledException();
        });
        var status = await LocalStudyHost.RunAsync(session.Run, StudyPlace.JournalFile, _parts, null, Token);

        Assert.Throws<OperationCanceledException>(() => session.End(status, stop.Token));

        Assert.False(File.Exists(StudyPlace.MeasuringFile));
        Assert.False(File.Exists(StudyPlace.SummaryFile));
    }

    [Fact]
    public async Task User_code_that_gives_up_by_itself_costs_the_test_alone()
    {
        using var session = Open(() => throw new TaskCanceledException("the data did not come in time"));
        var status = await LocalStudyHost.RunAsync(session.Run, StudyPlace.JournalFile, _parts, null, Token);

        var summary = Parse(session.End(status, Token));

        Assert.Equal(("completed", "the data did not come in time"), (summary.GetProperty("status").GetString(), summary.GetProperty("test_error").GetString()));
    }

    private StudySession Open(Func<IReadOnlyDictionary<string, double>?> test)
    {
        var parts = _parts.Studies! with
        {
            Test = (_, _, _) =>
            {
                _measured++;
                return test();
            },
        };
        return new StudySession("s", parts.Read(LinearParts.StudyYaml(trials: 2)), StudyPlace, parts, TimeProvider.System);
    }

    private static JsonElement Parse(string json) => JsonDocument.Parse(json).RootElement;
}
