using DistOpt.Torch;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace DistOpt.Examples;

/// <summary>Body of <c>POST /predict</c>: one row of raw values for each input, in the form and order of the training data.</summary>
public sealed record PredictRequest(float[][]? Inputs);

/// <summary>The answer for one input.</summary>
/// <param name="Class">The most probable class.</param>
/// <param name="Probability">Its probability.</param>
/// <param name="Probabilities">Probability of every class by name.</param>
/// <param name="Values">A regression's values; null for a classification.</param>
public sealed record PredictedRow(
    string? Class, float? Probability, IReadOnlyDictionary<string, float>? Probabilities, IReadOnlyList<float>? Values);

/// <summary>The answer to <c>POST /predict</c>, in the order of the request.</summary>
public sealed record PredictResponse(IReadOnlyList<PredictedRow> Predictions);

/// <summary>What <c>GET /</c> tells about the model.</summary>
public sealed record ModelDescription(
    string Model, IReadOnlyList<long> InputShape, IReadOnlyList<string> Columns, IReadOnlyList<string> Classes);

/// <summary>An ASP.NET minimal API around one <see cref="Predictor"/>, which any number of requests use at once.</summary>
public static class PredictionServer
{
    private const int RowsMax = 10_000;

    public static WebApplication Build(Predictor predictor, string urls)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.WebHost.UseUrls(urls);
        var app = builder.Build();
        var document = predictor.Document;
        app.MapGet("/", () => new ModelDescription(document.Model.Kind, document.InputShape, document.Columns, predictor.Classes));
        app.MapPost("/predict", (PredictRequest request) => Problem(predictor, request) is { } problem
            ? Results.Problem(problem, statusCode: StatusCodes.Status400BadRequest)
            : Results.Ok(new PredictResponse([.. predictor.Predict([.. request.Inputs!.SelectMany(row => row)], request.Inputs!.Length)
                .Select(prediction => Row(predictor, prediction))])));
        return app;
    }

    private static string? Problem(Predictor predictor, PredictRequest request)
    {
        int length = predictor.Document.ToDataInfo().InputLength;
        if (request.Inputs is not { Length: > 0 and <= RowsMax } inputs)
            return $"give 1 to {RowsMax} rows of {length} values as \"inputs\"";
        int wrong = Array.FindIndex(inputs, row => row?.Length != length);
        return wrong < 0 ? null : $"inputs[{wrong}] has {inputs[wrong]?.Length ?? 0} values, but the model takes {length}";
    }

    private static PredictedRow Row(Predictor predictor, Prediction prediction)
    {
        if (prediction.ClassIndex is not { } best) return new PredictedRow(null, null, null, prediction.Values);
        var probabilities = predictor.Classes.Zip(prediction.Probabilities).ToDictionary(pair => pair.First, pair => pair.Second);
        return new PredictedRow(prediction.ClassName, prediction.Probabilities[best], probabilities, null);
    }
}
