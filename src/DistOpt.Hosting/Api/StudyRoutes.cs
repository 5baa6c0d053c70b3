using System.Text.Json;
using DistOpt.Actors.Studies;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Hosting.Studies;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace DistOpt.Hosting.Api;

/// <summary>The routes of studies beside those that they share with jobs.</summary>
internal static class StudyRoutes
{
    public static void Map(RouteGroupBuilder group, ClusterJobs jobs)
    {
        // 'cancel' belongs to jobs as well
        foreach (string name in StudyRequest.Names.Where(n => n != "cancel"))
        {
            group.MapPost($"/jobs/{{id}}/{name}", (Delegate)(async (HttpContext context, string id) =>
                await CommandAsync(context, jobs, id, name, await BodyAsync(context).ConfigureAwait(false)).ConfigureAwait(false)));
        }
    }

    /// <summary>All of a request's body, however it is sent: one that comes in chunks says nothing of its length.</summary>
    public static async Task<string> BodyAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        return await reader.ReadToEndAsync(context.RequestAborted).ConfigureAwait(false);
    }

    /// <summary>Carries out a command that is only for studies, or for a trial of one.</summary>
    public static async Task<IResult> CommandAsync(HttpContext context, ClusterJobs jobs, string id, string name, string body)
    {
        if (JobRoutes.KeyOf(context, out string? key) is { } wrong) return wrong;
        try
        {
            var request = new StudyRequest(name, key, body);
            var found = await jobs.StudyAsync(id).ConfigureAwait(false);
            if (found.Spec is null && await NoStudyAsync(jobs, id, name).ConfigureAwait(false) is { } wrongOne) return wrongOne;
            var answer = await jobs.CommandAsync(id, request).ConfigureAwait(false);
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
        if (study is { Spec: { } spec, Status: { } status }) StudyStatusJson.WriteFields(json, (status.Spec ?? spec).Outline, status);
    }

    private static IResult Answer(StudyAnswer answer, string id) => !answer.Known ? JobRoutes.NotFound(id)
        : answer.Answer.Refusal is { } why ? JobRoutes.Refused(why) : Results.Accepted();

    /// <summary>Why there is no study of that id that could be asked; null where it has ended, and may go on.</summary>
    private static async Task<IResult?> NoStudyAsync(ClusterJobs jobs, string id, string name)
    {
        var job = await jobs.FindAsync(id).ConfigureAwait(false);
        return job.Status switch
        {
            null => JobRoutes.NotFound(id),
            { Kind: not Core.Jobs.JobKind.Study } => JobRoutes.Refused($"'{id}' is a job, and '{name}' is for studies and their trials"),
            { SummaryJson: not null } => null,
            _ => JobRoutes.Refused($"study '{id}' is being opened; try again"),
        };
    }
}
