using System.CommandLine;
using System.Text.Json;
using DistOpt.Core.Functions;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Torch;

namespace DistOpt;

/// <summary><c>predict RUN INPUT...</c>: classes and probabilities, or values.</summary>
internal static class PredictCommand
{
    private static readonly string[] PictureEndings = [".png", ".jpg", ".jpeg"];

    public static Command Create(Bind bind)
    {
        var run = new Argument<string>("run") { Description = "A run directory, or the id of a run below runs/" };
        var input = new Argument<string[]>("input") { Description = "CSV files with one input a row, pictures (PNG, JPEG), or '-' for CSV on stdin", Arity = ArgumentArity.OneOrMore };
        var command = new Command("predict", "Predicts with a trained model") { run, input };
        bind(command, invocation =>
        {
            var reader = RunDirectoryReader.Open(invocation.Parse.GetRequiredValue(run), invocation.Console.RunsRoot);
            if (SpecFiles.Parse(reader.SpecText(), reader.Directory.SpecFile, invocation.App).Model.Options is FunctionOptions)
                throw new SpecException("", $"'{reader.Directory.Path}' minimized a function, which has no inputs to predict from; 'show' tells its variables");
            using var predictor = Predictor.Load(reader.Directory.Path, invocation.App.Catalog);
            if (predictor.Document.InputShape.IsDefaultOrEmpty)
                throw new SpecException("", $"model '{predictor.Document.Model.Kind}' has inputs of its own kind, which a file cannot hold; use Predictor in code");
            var results = new List<(string Name, Prediction Prediction)>();
            var violations = new ViolationCollector();
            foreach (string name in invocation.Parse.GetRequiredValue(input))
                results.AddRange(violations.Try(() => Predict(predictor, name, invocation.Console.In)) ?? []);
            violations.ThrowIfAny();
            invocation.Write(json => WriteJson(json, predictor, results), writer =>
            {
                foreach (string line in Format.Table([.. results.Select(r => Row(r.Name, r.Prediction))])) writer.WriteLine(line);
            });
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    private static List<(string, Prediction)> Predict(Predictor predictor, string name, TextReader stdin)
    {
        if (PictureEndings.Contains(Path.GetExtension(name).ToLowerInvariant()))
        {
            if (predictor.Document.PixelMax is null) throw new SpecException(name, $"is a picture, but the run was trained on '{predictor.Document.Data.Kind}', which holds none; give CSV rows");
            return [(name, predictor.PredictImage(name))];
        }
        float[] values;
        if (name == "-")
        {
            values = InputRows.Read(stdin, "stdin", predictor.Document);
        }
        else
        {
            if (!File.Exists(name)) throw new SpecException(name, "file not found; check the path");
            using var file = new StreamReader(name);
            values = InputRows.Read(file, name, predictor.Document);
        }
        int rows = values.Length / predictor.Document.ToDataInfo().InputLength;
        return [.. predictor.Predict(values, rows).Select((p, i) => ($"{(name == "-" ? "stdin" : name)}:{i + 1}", p))];
    }

    private static IReadOnlyList<string> Row(string name, Prediction prediction) => prediction.ClassIndex is { } index
        ? [name, prediction.ClassName ?? index.ToString(System.Globalization.CultureInfo.InvariantCulture), Format.Metric(prediction.Probabilities[index])]
        : [name, .. prediction.Values.Select(v => Format.Metric(v))];

    private static void WriteJson(Utf8JsonWriter json, Predictor predictor, List<(string Name, Prediction Prediction)> results)
    {
        json.WriteStartObject();
        json.WriteStartArray("classes");
        foreach (string name in predictor.Classes) json.WriteStringValue(name);
        json.WriteEndArray();
        json.WriteStartArray("predictions");
        foreach (var (name, prediction) in results)
        {
            json.WriteStartObject();
            json.WriteString("input", name);
            if (prediction.ClassIndex is { } index)
            {
                json.WriteString("class", prediction.ClassName);
                json.WriteNumber("index", index);
                RunJson.WriteValue(json, "probability", prediction.Probabilities[index]);
                Numbers(json, "probabilities", prediction.Probabilities);
            }
            else
            {
                Numbers(json, "values", prediction.Values);
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Numbers(Utf8JsonWriter json, string name, IEnumerable<float> values)
    {
        json.WriteStartArray(name);
        foreach (float value in values)
        {
            if (float.IsFinite(value)) json.WriteNumberValue(value);
            else json.WriteNullValue();
        }
        json.WriteEndArray();
    }
}
