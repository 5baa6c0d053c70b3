using System.CommandLine;
using DistOpt.Core.Functions;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch;

namespace DistOpt;

/// <summary><c>evaluate RUN</c>: metrics of a run's selected weights, on a part of its data or on a file.</summary>
internal static class EvaluateCommand
{
    public static Command Create(Bind bind)
    {
        var run = new Argument<string>("run") { Description = "A run directory, or the id of a run below runs/" };
        var split = new Option<string>("--split") { Description = "Part of the run's data; default: test", HelpName = "train|validation|test" };
        var file = new Option<string>("--file") { Description = "Measure on this file or folder instead, in the form of the run's data (csv, images, mnist)", HelpName = "path" };
        var require = GlobalOptions.Require();
        var command = new Command("evaluate", "Measures a trained model on any part of its data, or on a file") { run, split, file, require };
        bind(command, invocation =>
        {
            var parse = invocation.Parse;
            var violations = new ViolationCollector();
            var reader = violations.Try(() => RunDirectoryReader.Open(parse.GetRequiredValue(run), invocation.Console.RunsRoot));
            var requirements = violations.Try(() => Requirement.ParseAll(parse.GetValue(require) ?? []));
            var spec = reader is null ? null : violations.Try(() => SpecFiles.Parse(reader.SpecText(), reader.Directory.SpecFile, invocation.App));
            // a function has no data: what there is to measure is its value
            var part = violations.Try(() => Split(parse.GetValue(split) ?? (spec?.Model.Options is FunctionOptions ? "validation" : "test")));
            if (parse.GetValue(split) is not null && parse.GetValue(file) is not null) violations.Add("--split", "cannot be given with --file: a file is measured as a whole");
            foreach (var requirement in requirements ?? [])
                if (requirement.Split != RunJson.Name(part)) violations.Add("--require", $"'{requirement.Text}' is about {requirement.Split}, but {RunJson.Name(part)} is measured");
            violations.ThrowIfAny();
            var data = Hosts.Data(invocation.Console.Environment);
            Evaluation? measured;
            Dictionary<string, double> metrics;
            if (parse.GetValue(file) is { } path)
            {
                (metrics, measured) = FileEvaluation.Measure(reader!.Directory.Path, spec!, path, invocation.App.Catalog, data);
            }
            else
            {
                measured = Evaluator.Measure(Hosts.Runtimes(invocation.App, data), spec!, reader!.Directory.ModelFile, part, invocation.Interrupt);
                metrics = measured.Metrics.ToDictionary(m => m.Key, m => m.Value.Value);
            }
            string what = parse.GetValue(file) ?? RunJson.Name(part);
            invocation.Write(
                json =>
                {
                    json.WriteStartObject();
                    json.WriteString("run", reader.Directory.Path);
                    json.WriteString(parse.GetValue(file) is null ? "split" : "file", what);
                    json.WriteStartObject("metrics");
                    foreach (var (name, value) in metrics) RunJson.WriteValue(json, name, value);
                    json.WriteEndObject();
                    if (measured?.Confusion is { } matrix) ConfusionText.Write(json, matrix, measured.Classes);
                    json.WriteEndObject();
                },
                writer =>
                {
                    writer.WriteLine($"{what}: {Format.Metrics(metrics)}");
                    if (measured?.Confusion is { } matrix) ConfusionText.Write(writer, matrix, measured.Classes);
                });
            string[] missed = [.. requirements!.Select(r => r.Check(metrics)).OfType<string>()];
            foreach (string line in missed) invocation.Console.Error.WriteLine("error: " + line);
            return Task.FromResult(missed.Length == 0 ? ExitCode.Done : ExitCode.Failed);
        });
        return command;
    }

    private static DataSplit Split(string text)
    {
        foreach (var split in Enum.GetValues<DataSplit>())
            if (RunJson.Name(split) == text) return split;
        throw new SpecException("--split", $"'{text}' is not known. Available: train, validation, test");
    }
}
