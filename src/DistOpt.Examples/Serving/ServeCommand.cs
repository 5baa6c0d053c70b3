using System.CommandLine;
using DistOpt.Core.Specs;
using DistOpt.Torch;
using Microsoft.Extensions.Hosting;

namespace DistOpt.Examples;

/// <summary>
/// <c>serve RUN</c>: predictions over HTTP.
/// <code>
/// curl http://127.0.0.1:5080/predict -H 'Content-Type: application/json' -d '{"inputs": [[5.1, 3.5, 1.4, 0.2]]}'
/// </code>
/// </summary>
internal static class ServeCommand
{
    public static Command Create(TorchCatalog catalog)
    {
        var run = new Argument<string>("run") { Description = "Run directory of a model with inputs of a fixed shape" };
        var urls = new Option<string>("--urls") { Description = "Where to listen", DefaultValueFactory = _ => "http://127.0.0.1:5080" };
        var command = new Command("serve", "Serves a trained model over HTTP: POST /predict") { run, urls };
        command.SetAction(async (parse, stop) =>
        {
            using var predictor = Predictor.Load(parse.GetRequiredValue(run), catalog);
            string kind = predictor.Document.Model.Kind;
            if (predictor.Document.InputShape.IsEmpty)
                throw new SpecException("", $"model '{kind}' has inputs of its own kind, which this API has no form for");
            string where = parse.GetRequiredValue(urls);
            await using var server = PredictionServer.Build(predictor, where);
            try
            {
                await server.StartAsync(stop);
            }
            catch (Exception e) when (e is IOException or FormatException or InvalidOperationException)
            {
                throw new SpecException("--urls", $"cannot listen on '{where}': {e.Message}");
            }
            parse.InvocationConfiguration.Output.WriteLine($"serving '{kind}' on {string.Join(", ", server.Urls)}; Ctrl-C ends");
            await server.WaitForShutdownAsync(stop);
        });
        return command;
    }
}
