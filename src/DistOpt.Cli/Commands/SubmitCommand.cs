using System.CommandLine;
using DistOpt.Core.Studies;

namespace DistOpt;

/// <summary><c>submit SPEC</c>: hands a job or a study to the cluster.</summary>
internal static class SubmitCommand
{
    public static Command Create(Bind bind)
    {
        var spec = new Argument<string>("spec") { Description = "A training spec, or the spec of a study" };
        var watch = new Option<bool>("--watch") { Description = "Follow the job to its end" };
        var key = new Option<string>("--key") { Description = "Idempotency key: a repeat with the same key gives the same job", HelpName = "text" };
        var cluster = GlobalOptions.Cluster();
        var set = GlobalOptions.Set();
        var require = GlobalOptions.Require();
        var command = new Command("submit", "Submits a job or a study to the cluster") { spec, watch, key, cluster, set, require };
        bind(command, async invocation =>
        {
            var parse = invocation.Parse;
            var violations = new ViolationCollector();
            string file = parse.GetRequiredValue(spec);
            IReadOnlyList<string> settings = parse.GetValue(set) ?? [];
            bool? isStudy = violations.Try<bool?>(() => SpecFiles.IsStudy(file));
            var study = isStudy is true ? violations.Try(() => SpecFiles.Binder(invocation.App).ReadStudy(file, settings)) : null;
            var resolved = isStudy is false ? violations.Try(() => SpecFiles.Read(file, settings, invocation.App)) : null;
            var requirements = violations.Try(() => Requirement.ParseAll(parse.GetValue(require) ?? []));
            if (requirements is { Count: > 0 } && !parse.GetValue(watch)) violations.Add("--require", "needs --watch: without it submit does not wait for the job's end");
            using var client = violations.Try(() => ClusterClient.Open(parse.GetValue(cluster), invocation.Console));
            violations.ThrowIfAny();
            if (resolved is not null && FoldsRunner.IsAsked(resolved))
            {
                return await FoldsCommand.SubmitAsync(invocation, client!, resolved!, parse.GetValue(key) ?? Guid.NewGuid().ToString("n"), parse.GetValue(watch),
                    requirements!).ConfigureAwait(false);
            }
            string id = await client!
                .SubmitAsync(study is not null ? StudySpecWriter.Write(study) : SpecFiles.Write(resolved!), parse.GetValue(key) ?? Guid.NewGuid().ToString("n"),
                    invocation.Interrupt)
                .ConfigureAwait(false);
            if (parse.GetValue(watch))
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
        });
        return command;
    }
}
