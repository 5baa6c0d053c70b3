using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using DistOpt.Core.Datasets;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;

namespace DistOpt.Torch.Inference;

/// <summary>How inputs were normalized: <c>(x - mean) * (1 / std)</c>, one entry for each feature or channel.</summary>
public sealed record SavedNormalization(NormalizationKind Kind, ImmutableArray<double> Mean, ImmutableArray<double> Std);

/// <summary>
/// <c>inference.json</c> of a run directory: all that is needed, beside <c>model.safetensors</c>, to build the model and to use it on raw
/// inputs.
/// </summary>
public sealed record InferenceDocument
{
    /// <summary>The format that this build writes, and the newest that it reads.</summary>
    public const int CurrentFormatVersion = 1;

    internal static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        RespectNullableAnnotations = true,
        WriteIndented = true,
        NewLine = "\n",
    };

    public int FormatVersion { get; init; } = CurrentFormatVersion;

    public required SavedPlugin Model { get; init; }

    public required SavedPlugin Loss { get; init; }

    /// <summary>The data set under its catalogue name, and the fields by which it reads files.</summary>
    public required SavedPlugin Data { get; init; }

    public required TaskKind Task { get; init; }

    /// <summary>Shape of one input, without the batch dimension; float32. Empty where only the user's code knows it.</summary>
    public required ImmutableArray<long> InputShape { get; init; }

    /// <summary>Names of the input values in order; empty where they have none.</summary>
    public ImmutableArray<string> Columns { get; init; } = [];

    /// <summary>Pixel value that stands for full brightness in the training data; null where inputs are no pictures.</summary>
    public int? PixelMax { get; init; }

    /// <summary>Class names by class index; empty unless the task is classification.</summary>
    public ImmutableArray<string> Classes { get; init; } = [];

    /// <summary>Whether the model gives one score for two classes; written only where it does, as builds before this one do not know it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool SingleScore { get; init; }

    /// <summary>Shape of one target of a regression; empty otherwise.</summary>
    public ImmutableArray<long> TargetShape { get; init; } = [];

    /// <summary>Applied to every input before the model; null = none.</summary>
    public SavedNormalization? Normalization { get; init; }

    /// <summary>Samples in a slice of the run's evaluation: the same slices give the same bits.</summary>
    public int BatchSize { get; init; } = 256;

    /// <summary>The document of a job.</summary>
    /// <param name="spec">Resolved spec.</param>
    /// <param name="info">What the data set says of itself.</param>
    /// <param name="normalization">Statistics of the training part, or null.</param>
    public static InferenceDocument Create(TrainingSpec spec, DataInfo info, Normalization? normalization) => new()
    {
        Model = SavedPlugin.From(spec.Model),
        Loss = SavedPlugin.From(spec.Loss),
        Data = SavedPlugin.From(spec.Data),
        Task = info.Task,
        InputShape = info.InputShape,
        Columns = info.Columns,
        PixelMax = info.PixelMax,
        Classes = info.Classes,
        SingleScore = info.SingleScore,
        TargetShape = info.TargetShape,
        Normalization = normalization is null ? null : new(normalization.Kind, normalization.Mean, normalization.Std),
        BatchSize = spec.Evaluate.BatchSize,
    };

    /// <summary>What model factories need to know of the data.</summary>
    public DataInfo ToDataInfo() => new()
    {
        Name = Data.Kind,
        Task = Task,
        InputShape = InputShape,
        Columns = Columns,
        PixelMax = PixelMax,
        Classes = Classes,
        SingleScore = SingleScore,
        TargetShape = TargetShape,
        Normalization = Normalization?.Kind ?? NormalizationKind.None,
    };

    public string ToJson() => JsonSerializer.Serialize(this, Json) + "\n";

    /// <summary>Writes the file; a reader sees the whole of it or what was there before.</summary>
    public void Save(string path) => AtomicFile.Write(path, Encoding.UTF8.GetBytes(ToJson()));

    /// <exception cref="SpecException">There is no such file, or it is no such document, damaged, or of a newer format.</exception>
    public static InferenceDocument Load(string path)
    {
        try
        {
            return Parse(File.ReadAllText(path), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SpecException(path, $"cannot be read: {e.Message}");
        }
    }

    /// <param name="text">Content of the file.</param>
    /// <param name="path">Its name, for messages.</param>
    /// <exception cref="SpecException">See <see cref="Load"/>.</exception>
    public static InferenceDocument Parse(string text, string path)
    {
        try
        {
            CheckVersion(text, path);
            var document = JsonSerializer.Deserialize<InferenceDocument>(text, Json) ?? throw new SpecException(path, "is empty");
            document.Check(path);
            return document;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or NotSupportedException)
        {
            throw new SpecException(path, $"is damaged: {e.Message}");
        }
    }

    /// <summary>Comes before everything else: a newer format may have other fields.</summary>
    private static void CheckVersion(string text, string path)
    {
        using var raw = JsonDocument.Parse(text);
        if (raw.RootElement.ValueKind != JsonValueKind.Object || !raw.RootElement.TryGetProperty("format_version", out var version)
            || version.ValueKind != JsonValueKind.Number || !version.TryGetInt32(out int number))
        {
            throw new SpecException(path, "is no inference document: it has no format_version");
        }
        if (number is < 1 or > CurrentFormatVersion)
        {
            throw new SpecException(path, string.Create(CultureInfo.InvariantCulture,
                $"has format version {number}, but this build reads 1 to {CurrentFormatVersion}; update DistOpt"));
        }
    }

    private void Check(string path)
    {
        var violations = new List<SpecViolation>();
        void Require(bool holds, string field, string message)
        {
            if (!holds) violations.Add(new SpecViolation(path, $"{field} {message}"));
        }
        long inputs = Product(InputShape);
        Require(inputs > 0, "input_shape", "must be a list of sizes of at least 1, with fewer than 2^31 values together");
        Require(Product(TargetShape) > 0, "target_shape", "must be a list of sizes of at least 1, with fewer than 2^31 values together");
        Require(IsNames(Classes), "classes", "must be a list of names");
        Require(IsNames(Columns), "columns", "must be a list of names");
        Require(Task != TaskKind.Classification || !Classes.IsDefaultOrEmpty, "classes", "is empty, but the task is classification");
        Require(!SingleScore || (Task == TaskKind.Classification && Classes is { IsDefault: false, Length: 2 }), "single_score", "is true, but there are not two classes");
        Require(Task != TaskKind.Regression || !TargetShape.IsDefaultOrEmpty, "target_shape", "is empty, but the task is regression");
        Require(BatchSize >= 1, "batch_size", $"is {BatchSize}, but must be at least 1");
        Require(PixelMax is null or >= 1, "pixel_max", $"is {PixelMax}, but must be at least 1");
        foreach (var (field, plugin) in new[] { ("model", Model), ("loss", Loss), ("data", Data) })
        {
            Require(plugin is { Kind.Length: > 0, Options.ValueKind: JsonValueKind.Object }, field,
                "must have a kind and an object of options");
        }
        if (Normalization is { } saved && inputs > 0) Require(Fits(saved, inputs), "normalization", "does not fit input_shape");
        if (violations.Count > 0) throw new SpecException(violations);
        try
        {
            _ = ToNormalization();
        }
        catch (ArgumentException e)
        {
            throw new SpecException(path, $"normalization is damaged: {e.Message}");
        }
    }

    /// <summary>The normalization to apply, or null.</summary>
    internal Normalization? ToNormalization() =>
        Normalization is null ? null : new Normalization(Normalization.Kind, Normalization.Mean, Normalization.Std);

    private bool Fits(SavedNormalization saved, long inputs) => !saved.Mean.IsDefault && saved.Kind switch
    {
        NormalizationKind.PerFeature => saved.Mean.Length == inputs,
        NormalizationKind.PerChannel => InputShape.Length > 0 && saved.Mean.Length == InputShape[0],
        _ => false,
    };

    private static bool IsNames(ImmutableArray<string> names) => !names.IsDefault && !names.Contains(null!);

    /// <summary>Number of values of a shape, 1 for the empty one; 0 where it is no shape.</summary>
    private static long Product(ImmutableArray<long> shape)
    {
        if (shape.IsDefault) return 0;
        long product = 1;
        foreach (long size in shape)
        {
            if (size is < 1 or > int.MaxValue) return 0;
            product *= size;
            if (product > int.MaxValue) return 0;
        }
        return product;
    }
}
