using System.Globalization;
using System.IO.Enumeration;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Datasets;
using DistOpt.Core.Parameters;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Functions;

/// <summary>Opens jobs that minimize a function; everything else goes to the engine.</summary>
public sealed class FunctionRuntimeFactory(IJobRuntimeFactory engine, DataEnvironment environment) : IJobRuntimeFactory
{
    /// <inheritdoc/>
    public IJobRuntime Open(TrainingSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return spec.Model.Options is FunctionOptions options ? new FunctionRuntime(spec, options, environment) : engine.Open(spec);
    }
}

/// <summary>
/// A function as a model: its variables are the parameters, float32 on the servers, and its value is the loss. There is one sample, so that a
/// step is an epoch; whichever gradient shard has it computes value and gradient in float64. Evaluation is the value at the step's variables.
/// </summary>
public sealed class FunctionRuntime : IJobRuntime
{
    private readonly TrainingSpec _spec;
    private readonly FunctionOptions _options;
    private readonly Expression _expression;
    private readonly float[] _start;

    /// <summary>Place of each trained variable among all of them.</summary>
    private readonly int[] _trained;

    /// <exception cref="SpecException">The expression, or a file to start from, is wrong.</exception>
    public FunctionRuntime(TrainingSpec spec, FunctionOptions options, DataEnvironment environment)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(environment);
        var violations = options.Violations("model").ToList();
        if (violations.Count > 0) throw new SpecException(violations);
        (_spec, _options, _expression) = (spec, options, options.Parse());
        _start = [.. _expression.Variables.Select(v => (float)options.Variables[v])];
        if (spec.Model.Weights is { } path) Load(environment.Resolve(path));
        var frozen = Frozen(spec.Model.Freeze);
        _trained = [.. Enumerable.Range(0, _start.Length).Where(i => !frozen.Contains(_expression.Variables[i]))];
        Layout = new ParameterLayout(_trained.Select((variable, at) => new TensorSlot(_expression.Variables[variable], [], at, 1)), []);
    }

    public ParameterLayout Layout { get; }

    public DataCounts Data => new(1, 1, 0);

    /// <summary>What it computes, and as numeric part what this machine makes of it where it starts.</summary>
    public JobFingerprint Fingerprint
    {
        get
        {
            double[] at = [.. _start.Select(v => (double)v)];
            double[] gradient = new double[at.Length];
            double value = _expression.Gradient(at, gradient);
            string probe = string.Join(' ', gradient.Prepend(value).Select(v => BitConverter.DoubleToInt64Bits(v).ToString("x16", CultureInfo.InvariantCulture)));
            return new JobFingerprint(
                new SortedDictionary<string, string>(StringComparer.Ordinal)
                {
                    ["function"] = Hash($"{_options.Expression}\n{string.Join(',', _options.Constants.Select(c => $"{c.Key}={c.Value:R}"))}"),
                    ["variables"] = Hash(string.Join(',', Layout.Parameters.Select(p => p.Name))),
                },
                new SortedDictionary<string, string>(StringComparer.Ordinal) { ["probe gradient"] = Hash(probe) });
        }
    }

    public IReadOnlyList<string> Warnings => [];

    public void WriteInitialWeights(Span<float> parameters, Span<float> buffers)
    {
        for (int i = 0; i < _trained.Length; i++) parameters[i] = _start[_trained[i]];
    }

    public IGradientWorker CreateWorker(FlatBuffer weights) => new FunctionWorker(_expression, _start, _trained, weights);

    public void SaveModel(string path, ReadOnlyMemory<float> parameters, ReadOnlyMemory<float> buffers)
    {
        if (parameters.Length != _trained.Length)
            throw new ArgumentException($"{parameters.Length} values do not fit {_trained.Length} variables", nameof(parameters));
        float[] all = [.. _start];
        for (int i = 0; i < _trained.Length; i++) all[_trained[i]] = parameters.Span[i];
        SafetensorsWriter.Write(path, all.Select((_, i) => SafetensorsTensor.Float32(_expression.Variables[i], [], all.AsMemory(i, 1))));
    }

    /// <summary>In the form of the engine's document; there is no input to predict from.</summary>
    public void SaveInference(string path) => AtomicFile.Write(path, Encoding.UTF8.GetBytes(RunJson.Text(indented: true, json =>
    {
        json.WriteStartObject();
        json.WriteNumber("format_version", 1);
        json.WriteStartObject("model");
        json.WriteString("kind", _spec.Model.Kind);
        json.WriteStartObject("options");
        json.WriteString("expression", _options.Expression);
        WriteValues(json, "variables", _options.Variables);
        WriteValues(json, "constants", _options.Constants);
        json.WriteEndObject();
        json.WriteEndObject();
        foreach (var (name, kind) in new[] { ("loss", _spec.Loss.Kind), ("data", _spec.Data.Kind) })
        {
            json.WriteStartObject(name);
            json.WriteString("kind", kind);
            json.WriteStartObject("options");
            json.WriteEndObject();
            json.WriteEndObject();
        }
        json.WriteString("task", "other");
        json.WriteStartArray("input_shape");
        json.WriteEndArray();
        json.WriteNumber("batch_size", 1);
        json.WriteEndObject();
    }) + "\n"));

    public void Dispose() { }

    private static void WriteValues(Utf8JsonWriter json, string name, IEnumerable<KeyValuePair<string, double>> values)
    {
        json.WriteStartObject(name);
        foreach (var (key, value) in values) json.WriteNumber(key, value);
        json.WriteEndObject();
    }

    private void Load(string path)
    {
        try
        {
            using var file = SafetensorsFile.Open(path);
            string[] names = [.. file.Tensors.Select(t => t.Name)];
            if (!names.Order(StringComparer.Ordinal).SequenceEqual(_expression.Variables) || file.Tensors.Any(t => t.ElementCount != 1))
            {
                throw new SpecException("model.weights", $"'{path}' holds {string.Join(", ", names.Take(10))}, but must hold one number for each of "
                    + string.Join(", ", _expression.Variables));
            }
            for (int i = 0; i < _start.Length; i++) file.ReadFloat32(_expression.Variables[i], _start.AsSpan(i, 1));
        }
        catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            throw new SpecException("model.weights", $"'{path}' cannot be read: {e.Message}");
        }
    }

    private HashSet<string> Frozen(IEnumerable<string> patterns)
    {
        var frozen = new HashSet<string>(StringComparer.Ordinal);
        var violations = new List<SpecViolation>();
        foreach (string pattern in patterns)
        {
            string[] matching = [.. _expression.Variables.Where(v => FileSystemName.MatchesSimpleExpression(pattern, v, ignoreCase: false))];
            if (matching.Length == 0)
                violations.Add(new("model.freeze", $"'{pattern}' matches no variable; there are {string.Join(", ", _expression.Variables.Take(20))}"));
            frozen.UnionWith(matching);
        }
        return violations.Count == 0 ? frozen : throw new SpecException(violations);
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..16];
}
