using System.CommandLine;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Exchange;

namespace DistOpt;

/// <summary><c>submit SPEC</c>: hands a job or a study to the cluster.</summary>
internal sealed class SubmitCommand
{
    private readonly Argument<string> _spec = new("spec") { Description = "A training spec, or the spec of a study" };
    private readonly Option<bool> _watch = new("--watch") { Description = "Follow the job to its end" };
    private readonly Option<string> _key = new("--key") { Description = "Idempotency key: a repeat with the same key gives the same job", HelpName = "text" };
    private readonly StudyBudgetOptions _budget = new();
    private readonly StudyImportOptions _import = new();
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Check the spec, show it as it would be sent, send nothing" };
    private readonly Option<string> _cluster = GlobalOptions.Cluster();
    private readonly Option<string[]> _set = GlobalOptions.Set();
    private readonly Option<string[]> _require = GlobalOptions.Require();

    public static Command Create(Bind bind)
    {
        var submit = new SubmitCommand();
        var command = new Command("submit", "Submits a job or a study to the cluster")
        {
            submit._spec, submit._watch, submit._key, submit._dryRun, submit._cluster, submit._set, submit._require,
        };
        submit._budget.AddTo(command);
        submit._import.AddTo(command);
        bind(command, submit.RunAsync);
        return command;
    }

    private async Task<int> RunAsync(CommandInvocation invocation)
    {
        var (parse, app) = (invocation.Parse, invocation.App);
        var violations = new ViolationCollector();
        string file = parse.GetRequiredValue(_spec);
        IReadOnlyList<string> settings = parse.GetValue(_set) ?? [];
        bool? isStudy = violations.Try<bool?>(() => SpecFiles.IsStudy(file));
        var study = isStudy is true ? violations.Try(() => SpecFiles.Binder(app).ReadStudy(file, _budget.Settings(parse, settings))) : null;
        var resolved = isStudy is false ? violations.Try(() => SpecFiles.Read(file, settings, app)) : null;
        if (isStudy is false)
        {
            _budget.Refuse(parse, violations);
            if (_import.IsGiven(parse)) violations.Add("--import", "is given, but the spec is none of a study; leave it away");
        }
        var trials = isStudy is true ? violations.Try(() => _import.Read(parse, study, app, invocation.Console.Error)) ?? [] : [];
        var requirements = violations.Try(() => Requirement.ParseAll(parse.GetValue(_require) ?? []));
        if (requirements is { Count: > 0 } && !parse.GetValue(_watch)) violations.Add("--require", "needs --watch: without it submit does not wait for the job's end");
        using var client = parse.GetValue(_dryRun) ? null : violations.Try(() => ClusterClient.Open(parse.GetValue(_cluster), invocation.Console));
        violations.ThrowIfAny();
        string yaml = study is not null ? StudySpecWriter.Write(study) : SpecFiles.Write(resolved!), key = parse.GetValue(_key) ?? Guid.NewGuid().ToString("n");
        if (client is null)
        {
            WriteDryRun(invocation, yaml, trials.Count);
            return ExitCode.Done;
        }
        if (resolved is not null && FoldsRunner.IsAsked(resolved))
            return await FoldsCommand.SubmitAsync(invocation, client, resolved, key, parse.GetValue(_watch), requirements!).ConfigureAwait(false);
        string? imported = trials.Count > 0 ? ImportedTrials.Write(study!, trials) : null;
        string id = await client.SubmitAsync(yaml, key, invocation.Interrupt, imported).ConfigureAwait(false);
        if (parse.GetValue(_watch))
        {
            invocation.Out.WriteLine(id);
            return await WatchCommand.FollowAsync(invocation, client, id, requirements!).ConfigureAwait(false);
        }
        invocation.Write(
            json =>
            {
                json.WriteStartObject();
                json.WriteString("id", id);
                json.WriteEndObject();
            },
            writer => writer.WriteLine(id));
        return ExitCode.Done;
    }

    /// <summary>The spec with everything filled in. Model and data are the cluster's, and are not opened here.</summary>
    private static void WriteDryRun(CommandInvocation invocation, string yaml, int imported) => invocation.Write(
        json =>
        {
            json.WriteStartObject();
            json.WriteString("spec", yaml);
            if (imported > 0) json.WriteNumber("imported", imported);
            json.WriteEndObject();
        },
        writer =>
        {
            writer.Write(yaml);
            if (imported > 0) writer.WriteLine($"# the sampler begins with {Format.Plural(imported, "trial")} of another study");
        });
}
