using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using DistOpt.Core.Parameters;
using DistOpt.Core.Training;

namespace DistOpt.Core.Checkpoints;

/// <summary>A tensor of the layout as the manifest names it.</summary>
public sealed record ManifestTensor(string Name, ImmutableArray<long> Shape, string Type);

/// <summary>A file of the checkpoint.</summary>
/// <param name="Bytes">Its length.</param>
/// <param name="Sha256">Of the whole file, lower-case hex, as <c>sha256sum</c> prints it.</param>
public sealed record ManifestFile(string Name, long Bytes, string Sha256);

/// <summary>A metric sum of the row that was under way.</summary>
public sealed record ManifestMetric(string Name, double Sum, double Weight);

/// <summary>What the run had reached, beside what decides bits: for its summary.</summary>
public sealed record ManifestRun
{
    public double WallSeconds { get; init; }

    public IReadOnlyDictionary<string, double> Train { get; init; } = new Dictionary<string, double>();

    public IReadOnlyDictionary<string, double> Validation { get; init; } = new Dictionary<string, double>();

    public int WorkerFailures { get; init; }

    public int ServerFailures { get; init; }

    public int CoordinatorRestarts { get; init; }

    public int Rollbacks { get; init; }

    public long StepsComputed { get; init; }
}

/// <summary>
/// <c>manifest.json</c> of a checkpoint: what the state is, and the hash of every file. Its own hash stands beside it in
/// <c>manifest.sha256</c>.
/// </summary>
public sealed record CheckpointManifest
{
    /// <summary>Version of the format that this build writes; it reads this one and the one before.</summary>
    public const int CurrentFormat = 1;

    public const string FileName = "manifest.json";
    public const string HashFileName = "manifest.sha256";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DictionaryKeyPolicy = null,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower), new MetricsConverter() },
        WriteIndented = true,
        NewLine = "\n",
        AllowDuplicateProperties = false,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    public int FormatVersion { get; init; } = CurrentFormat;

    public required string Job { get; init; }

    /// <summary>Updates applied.</summary>
    public long Step => State.Step;

    /// <summary>Epoch of the step that comes next, and where in the epoch's order its batch begins: the data cursor.</summary>
    public required int Epoch { get; init; }

    public required long BatchStart { get; init; }

    /// <summary>Samples in that batch, unless the epoch ends earlier.</summary>
    public required int BatchSize { get; init; }

    public required long TrainSamples { get; init; }

    /// <summary>Seed of the job. Every random number is a function of it and of (purpose, epoch, step, layer, sample): no other
    /// generator state exists.</summary>
    public required long Seed { get; init; }

    /// <summary>Number of gradient shards, on which the bits depend.</summary>
    public required int GradientShards { get; init; }

    /// <summary>Hash of the part of the spec that decides bits (<see cref="Specs.SpecIdentity"/>).</summary>
    public required string SpecIdentity { get; init; }

    public required ImmutableArray<ManifestTensor> Parameters { get; init; }

    public required ImmutableArray<ManifestTensor> Buffers { get; init; }

    public required string Optimizer { get; init; }

    /// <summary>Names of the optimizer's state vectors.</summary>
    public required ImmutableArray<string> Slots { get; init; }

    /// <summary>What belongs to the vectors.</summary>
    public required TrainingState State { get; init; }

    public ManifestRun Run { get; init; } = new();

    public ImmutableArray<ManifestFile> Files { get; init; } = [];

    /// <summary>The manifest of a state, with the data cursor that belongs to it.</summary>
    public CheckpointManifest With(TrainingState state) => this with
    {
        State = state,
        Epoch = (int)(state.Samples / Math.Max(1, TrainSamples)),
        BatchStart = state.Samples % Math.Max(1, TrainSamples),
        BatchSize = state.Batch?.Size ?? BatchSize,
    };

    /// <summary>What a run of another spec goes on from: its selection begins anew, so that its values are those of its own weights.</summary>
    public CheckpointManifest UnderAnotherSpec() => this with
    {
        State = State.UnderAnotherSpec(),
        Run = Run with { Validation = new Dictionary<string, double>() },
    };

    /// <summary>The tensors of a layout section as a manifest lists them.</summary>
    public static ImmutableArray<ManifestTensor> Tensors(ImmutableArray<TensorSlot> slots) =>
        [.. slots.Select(s => new ManifestTensor(s.Name, s.Shape, s.Type == ElementType.Int64 ? "I64" : "F32"))];

    public byte[] ToBytes() => Encoding.UTF8.GetBytes(JsonSerializer.Serialize(this, Json) + "\n");

    /// <summary>The content of <c>manifest.sha256</c>, in the form that <c>sha256sum --check</c> reads.</summary>
    public static byte[] HashLine(ReadOnlySpan<byte> manifest) =>
        Encoding.ASCII.GetBytes($"{Convert.ToHexStringLower(SHA256.HashData(manifest))}  {FileName}\n");

    /// <exception cref="InvalidDataException">It is no manifest that this build reads; the message says why.</exception>
    public static CheckpointManifest Parse(ReadOnlySpan<byte> bytes)
    {
        int format;
        try
        {
            using var document = JsonDocument.Parse(bytes.ToArray());
            format = document.RootElement.GetProperty("format_version").GetInt32();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new InvalidDataException($"{FileName} is no manifest: {e.Message}", e);
        }
        if (format is < 1 or > CurrentFormat)
            throw new InvalidDataException($"{FileName} has format version {format}, but this build reads 1 to {CurrentFormat}: use a newer build");
        try
        {
            return JsonSerializer.Deserialize<CheckpointManifest>(bytes, Json) ?? throw new InvalidDataException($"{FileName} is null");
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            throw new InvalidDataException($"{FileName} is damaged: {e.Message}", e);
        }
    }

    /// <summary>Metric sums as a list, in their order.</summary>
    private sealed class MetricsConverter : JsonConverter<MetricSums>
    {
        public override MetricSums Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            var metrics = new MetricSums();
            foreach (var metric in JsonSerializer.Deserialize<ManifestMetric[]>(ref reader, options) ?? [])
                metrics.Add(metric.Name, metric.Sum, metric.Weight);
            return metrics;
        }

        public override void Write(Utf8JsonWriter writer, MetricSums value, JsonSerializerOptions options) =>
            JsonSerializer.Serialize(writer, value.Select(m => new ManifestMetric(m.Key, m.Value.Sum, m.Value.Weight)).ToArray(), options);
    }
}
