using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Tests.Studies.Engine;

namespace DistOpt.Core.Tests.Studies;

/// <summary>What <c>show</c> and <c>watch</c> are told of a study that goes on.</summary>
public sealed class StudyStatusJsonTests
{
    private static readonly StudyOutline s_outline = new()
    {
        Name = "s",
        Space = EngineFixture.Space,
        Objectives = [new("loss", Direction.Minimize)],
        Seed = 3,
        Unit = "step",
        Value = (_, value) => value,
        Show = (_, value) => $"{value}",
    };

    [Fact]
    public void A_study_waits_for_what_its_attempts_wait_for_where_none_of_them_computes()
    {
        var study = new EngineFixture(EngineFixture.Random(parallel: 2));
        study.Order();
        study.Order();
        var status = study.Engine.Status();
        StudyStatus With(params string?[] waits) => status with { Live = [.. status.Live.Zip(waits, (trial, whom) => trial with { WaitsFor = whom })] };

        var all = Written(With("2 worker slots", "room"));
        Assert.Equal("trial 0, which waits for 2 worker slots", all.GetProperty("waiting_for").GetString());
        Assert.Equal(["2 worker slots", "room"], all.GetProperty("live").EnumerateArray().Select(t => t.GetProperty("waiting_for").GetString()!));
        var one = Written(With("2 worker slots", null));
        Assert.False(one.TryGetProperty("waiting_for", out _));
        Assert.Equal([true, false], one.GetProperty("live").EnumerateArray().Select(t => t.TryGetProperty("waiting_for", out _)));
        // a user who has paused it is who it waits for then
        Assert.Equal("a user, who has paused the study", Written(With("a", "b") with { IsSuspended = true }).GetProperty("waiting_for").GetString());
    }

    [Fact]
    public void Attempts_that_wait_are_counted_as_waiting_and_what_a_user_has_paused_by_itself()
    {
        var study = new EngineFixture(EngineFixture.Random(parallel: 4));
        for (int i = 0; i < 4; i++) study.Order();
        study.Engine.Pause(null, 3);
        var status = study.Engine.Status().Waiting(new Dictionary<int, string> { [1] = "room", [2] = "room", [3] = "room" });
        Assert.Equal(new TrialCounts(2, 1, 0, 0, 0, 0, 0) { Suspended = 1 }, status.Counts);
        var json = Written(status with { Imported = 7 });
        var trials = json.GetProperty("trials");
        Assert.Equal((1, 2, 1), (trials.GetProperty("running").GetInt32(), trials.GetProperty("waiting").GetInt32(), trials.GetProperty("suspended").GetInt32()));
        Assert.Equal([null, "room", "room", "room"], json.GetProperty("live").EnumerateArray().Select(t => t.TryGetProperty("waiting_for", out var whom) ? whom.GetString() : null));
        Assert.Equal(7, json.GetProperty("imported").GetInt32());
    }

    private static JsonElement Written(StudyStatus status)
    {
        using var json = JsonDocument.Parse(RunJson.Text(false, writer =>
        {
            writer.WriteStartObject();
            StudyStatusJson.WriteFields(writer, s_outline, status);
            writer.WriteEndObject();
        }));
        return json.RootElement.Clone();
    }
}
