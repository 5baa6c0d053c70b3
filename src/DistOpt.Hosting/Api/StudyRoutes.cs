using System.Text.Json;
using DistOpt.Actors.Studies;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace DistOpt.Hosting.Api;

/// <summary>A command to a study as it comes in by HTTP.</summary>
/// <param name="Name"><c>pause</c>, <c>resume</c>, <c>cancel</c>, <c>enqueue</c> or <c>set</c>.</param>
/// <param name="Key">Idempotency key; null = none.</param>
/// <param name="Body">What goes with it, as a YAML or JSON mapping; may be empty.</param>
public sealed record StudyRequest(string Name, string? Key, string Body)
{
    /// <summary>Those that there are.</summary>
    public static IReadOnlyList<string> Names { get; } = ["pause", "resume", "cancel", "enqueue", "set"];

    /// <summary>What the study is to do.</summary>
    /// <param name="spec">The study's.</param>
    /// <exception cref="SpecException">All that is wrong with the body.</exception>
    public Func<StudyEngine, CommandAnswer> ToCommand(StudySpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        var fields = Body.Length == 0 ? MappingNode.Empty : SpecYaml.Parse(Body, "") as MappingNode
            ?? throw new SpecException("", "must be a mapping, such as {\"trial\": 3}");
        string? key = Key;
        switch (Name)
        {
            case "enqueue":
                var point = fields.Get("point") as MappingNode ?? throw new SpecException("point", "is missing: give values by the names of parameters");
                double[] values = spec.Space.Configuration(point, "", partly: true);
                return engine => engine.Enqueue(key, [.. values]);
            case "set":
                int parallel = (int)Number(fields, "parallel", 1, 100_000, isNeeded: true)!.Value;
                int? from = (int?)Number(fields, "from_trial", 0, int.MaxValue);
                return engine => engine.SetParallel(key, parallel, from);
            default:
                int? trial = (int?)Number(fields, "trial", 0, int.MaxValue);
                return Name switch
                {
                    "pause" => engine => engine.Pause(key, trial),
                    "resume" => engine => engine.Resume(key, trial),
                    "cancel" => engine => engine.Cancel(key, trial),
                    _ => throw new ArgumentException($"{Name} is no command of a study"),
                };
        }
    }

    private static long? Number(MappingNode fields, string name, long least, long most, bool isNeeded = false)
    {
        if (fields.Get(name) is not ScalarNode { IsNull: false } node)
            return isNeeded ? throw new SpecException(name, $"is missing: give a whole number from {least} to {most}") : null;
        return long.TryParse(node.Text, System.Globalization.NumberStyles.Integer, System.Globalization.CultureInfo.InvariantCulture, out long number)
            && number >= least && number <= most ? number
            : throw new SpecException(name, $"is {node.Text}, but must be a whole number from {least} to {most}");
    }
}

/// <summary>The routes of studies beside those that they share with jobs.</summary>
internal static class StudyRoutes
{
    public static void Map(RouteGroupBuilder group, ClusterJobs jobs)
    {
        // 'cancel' belongs to jobs as well
        foreach (string name in StudyRequest.Names.Where(n => n != "cancel"))
            group.MapPost($"/jobs/{{id}}/{name}", (Delegate)((HttpContext context, string id) => CommandAsync(context, jobs, id, name)));
    }

    /// <summary>Carries out a command that is only for studies, or for a trial of one.</summary>
    public static async Task<IResult> CommandAsync(HttpContext context, ClusterJobs jobs, string id, string name)
    {
        if (JobRoutes.KeyOf(context, out string? key) is { } wrong) return wrong;
        using var reader = new StreamReader(context.Request.Body);
        string body = await reader.ReadToEndAsync(context.RequestAborted).ConfigureAwait(false);
        try
        {
            var found = await jobs.StudyAsync(id).ConfigureAwait(false);
            if (found.Spec is not { } spec) return await NoStudyAsync(jobs, id, name).ConfigureAwait(false);
            var answer = await jobs.CommandAsync(id, new StudyRequest(name, key, body).ToCommand(spec)).ConfigureAwait(false);
            return Answer(answer, id);
        }
        catch (SpecException e)
        {
            return JobRoutes.Invalid(e.Violations);
        }
    }

    /// <summary>Fields of a study that is live, in an object that is open.</summary>
    public static void Write(Utf8JsonWriter json, StudyFound study)
    {
        if (study is { Spec: { } spec, Status: { } status }) StudyStatusJson.WriteFields(json, spec, status);
    }

    private static IResult Answer(StudyAnswer answer, string id) => !answer.Known ? JobRoutes.NotFound(id)
        : answer.Answer.Refusal is { } why ? JobRoutes.Refused(why) : Results.Accepted();

    private static async Task<IResult> NoStudyAsync(ClusterJobs jobs, string id, string name)
    {
        var job = await jobs.FindAsync(id).ConfigureAwait(false);
        return job.Status switch
        {
            null => JobRoutes.NotFound(id),
            { Kind: not Core.Jobs.JobKind.Study } => JobRoutes.Refused($"'{id}' is a job, and '{name}' is for studies and their trials"),
            { SummaryJson: not null } => JobRoutes.Refused($"study '{id}' has ended ({job.Status.State})"),
            _ => JobRoutes.Refused($"study '{id}' is being opened; try again"),
        };
    }
}
