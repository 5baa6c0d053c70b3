using System.Collections.Immutable;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using DistOpt.Core.Datasets;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Torch.Images;
using DistOpt.Torch.Inference;
using TorchSharp;

namespace DistOpt.Torch;

/// <summary>
/// A trained model, ready for use: in eval mode, without gradients. Thread-safe: any number of threads may call at once, each computes
/// on its own thread. Disposing waits for nobody: the model is freed when the last running call has ended, and later calls throw.
/// <code>
/// using var predictor = Predictor.Load("runs/digits-mlp-20260124-153012-4f2a");
/// Prediction[] predictions = predictor.Predict(pixels, rows: 1);
/// </code>
/// </summary>
public sealed class Predictor : IDisposable
{
    private static readonly SkiaImageDecoder Decoder = new();

    private readonly torch.nn.Module _module;
    private readonly ILoss? _loss;
    private readonly Normalization? _normalization;
    private readonly int _threads;
    private readonly int _inputLength;
    private int _users = 1;
    private int _disposed;

    private Predictor(torch.nn.Module module, ILoss? loss, InferenceDocument document, PredictorOptions options)
    {
        (_module, _loss, Document) = (module, loss, document);
        _normalization = document.ToNormalization();
        _threads = options.Threads;
        _inputLength = document.ToDataInfo().InputLength;
    }

    /// <summary>What the run saved about its model and its inputs.</summary>
    public InferenceDocument Document { get; }

    /// <summary>Class names by class index; empty unless the task is classification.</summary>
    public ImmutableArray<string> Classes => Document.Classes;

    /// <summary>Loads <c>inference.json</c> and <c>model.safetensors</c> (the selected weights) of a run.</summary>
    /// <param name="run">The run directory.</param>
    /// <param name="catalog">Where the model's name is looked up; null = the built-in models. Add models of your own to it.</param>
    /// <param name="options">How to compute; null = defaults.</param>
    /// <exception cref="SpecException">
    /// No such run, a damaged file, an unknown model, or weights that do not fit; all violations at once.
    /// </exception>
    public static Predictor Load(string run, TorchCatalog? catalog = null, PredictorOptions? options = null)
    {
        options ??= new PredictorOptions();
        if (options.Threads < 1)
            throw new ArgumentOutOfRangeException(nameof(options), $"threads is {options.Threads}, but must be at least 1");
        var directory = new RunDirectory(run);
        if (!File.Exists(directory.InferenceFile))
        {
            throw new SpecException("", Directory.Exists(run)
                ? $"'{run}' holds no inference.json: it is no run directory, or the run has not ended yet"
                : $"run '{run}' does not exist; give the folder of a run");
        }
        var document = InferenceDocument.Load(directory.InferenceFile);
        catalog ??= TorchCatalog.Default();
        torch.nn.Module module = Build(document, catalog);
        try
        {
            module.LoadSafetensors(directory.ModelFile);
            module.eval();
            return new Predictor(module, Loss(document, catalog), document, options);
        }
        catch
        {
            // nobody else knows the module yet
            module.Dispose();
            throw;
        }
    }

    /// <summary>Predicts from raw values: the run's normalization is applied here.</summary>
    /// <param name="inputs">rows x input values, row after row, in the form and order of the training data.</param>
    /// <param name="rows">Number of inputs, 0 or more; computed in slices of the run's <c>evaluate.batch_size</c>.</param>
    /// <exception cref="ArgumentException">The number of values does not fit.</exception>
    /// <exception cref="InvalidOperationException">
    /// The model does not map one float32 tensor to one: use <see cref="Use{TModule, TResult}"/>.
    /// </exception>
    public Prediction[] Predict(ReadOnlySpan<float> inputs, int rows)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        RequireKnownInputs();
        if (inputs.Length != (long)rows * _inputLength)
        {
            throw new ArgumentException($"{rows} rows of {_inputLength} values ([{string.Join(", ", Document.InputShape)}]) are "
                + $"{(long)rows * _inputLength} values, but {inputs.Length} were given", nameof(inputs));
        }
        var predictions = new Prediction[rows];
        for (int begin = 0; begin < rows; begin += Document.BatchSize)
        {
            int count = Math.Min(Document.BatchSize, rows - begin);
            PredictSlice(inputs.Slice(begin * _inputLength, count * _inputLength), predictions.AsSpan(begin, count));
        }
        return predictions;
    }

    /// <summary>Predicts from one raw input.</summary>
    /// <param name="input">The values of one input.</param>
    public Prediction Predict(ReadOnlySpan<float> input) => Predict(input, 1)[0];

    /// <summary>Predicts from a PNG or JPEG file, which is scaled to the size and range of the training pictures.</summary>
    /// <exception cref="SpecException">The file cannot be read, or is no picture.</exception>
    public Prediction PredictImage(string path)
    {
        try
        {
            return PredictImage(File.ReadAllBytes(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            throw new SpecException(path, $"cannot be used as a picture: {e.Message}");
        }
    }

    /// <summary>Predicts from the content of a PNG or JPEG file.</summary>
    /// <exception cref="InvalidDataException">It is no picture; the message says why.</exception>
    /// <exception cref="InvalidOperationException">The run was not trained on pictures.</exception>
    public Prediction PredictImage(ReadOnlySpan<byte> file)
    {
        if (Document.PixelMax is not { } max || Document.InputShape is not [1 or 3, var height, var width])
            throw new InvalidOperationException($"data set '{Document.Data.Kind}' does not hold pictures: give values instead");
        byte[] pixels = new byte[_inputLength];
        Decoder.Decode(file, (int)height, (int)width, (int)Document.InputShape[0], pixels);
        float[] values = new float[pixels.Length];
        TensorPrimitives.ConvertTruncating<byte, float>(pixels, values);
        if (max != byte.MaxValue) TensorPrimitives.Multiply(values, (float)max / byte.MaxValue, values);
        return Predict(values);
    }

    /// <summary>The model's output for an input as the model takes it: nothing is normalized. The result belongs to the caller.</summary>
    /// <param name="input">[rows, ...].</param>
    /// <exception cref="InvalidOperationException">
    /// The model does not map one tensor to one: use <see cref="Use{TModule, TResult}"/>.
    /// </exception>
    public torch.Tensor Run(torch.Tensor input) => Use<torch.nn.Module<torch.Tensor, torch.Tensor>, torch.Tensor>(m => m.forward(input));

    /// <summary>
    /// Calls the module itself, for models with inputs of their own: in eval mode, without gradients, in a dispose scope. Of the tensors
    /// that <paramref name="use"/> makes only the returned one lives on (in the caller's dispose scope, if there is one); to return
    /// anything else than a tensor, read the values out first. The module must not be changed.
    /// </summary>
    /// <typeparam name="TModule">Type of the run's model.</typeparam>
    /// <typeparam name="TResult">A tensor, or anything without tensors.</typeparam>
    public TResult Use<TModule, TResult>(Func<TModule, TResult> use)
        where TModule : class
    {
        ArgumentNullException.ThrowIfNull(use);
        if (_module is not TModule module)
        {
            throw new InvalidOperationException($"model '{Document.Model.Kind}' is a {_module.GetType().Name}, "
                + $"which is no {typeof(TModule).Name}; call Use with its own type");
        }
        using var call = new Call(this);
        TResult result = use(module);
        if (result is torch.Tensor tensor) call.Keep(tensor);
        return result;
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0) Leave();
    }

    private void PredictSlice(ReadOnlySpan<float> inputs, Span<Prediction> predictions)
    {
        using var call = new Call(this);
        torch.Tensor output = Forward(inputs, predictions.Length);
        if (Document.Task == TaskKind.Classification)
            Classify(output, predictions);
        else
            Regress(output, predictions);
    }

    /// <summary>Hands the model's output [rows, ...] for raw inputs to <paramref name="use"/>, as evaluation sees it.</summary>
    internal void Measure(ReadOnlySpan<float> inputs, int rows, Action<torch.Tensor> use)
    {
        RequireKnownInputs();
        using var call = new Call(this);
        use(Output(inputs, rows));
    }

    private torch.Tensor Forward(ReadOnlySpan<float> inputs, int rows) =>
        Output(inputs, rows).to(torch.ScalarType.Float32).reshape(rows, -1).contiguous();

    private torch.Tensor Output(ReadOnlySpan<float> inputs, int rows)
    {
        if (_module is not torch.nn.Module<torch.Tensor, torch.Tensor> module)
        {
            throw new InvalidOperationException(
                $"model '{Document.Model.Kind}' ({_module.GetType().Name}) does not map one tensor to one; call Use with its own type");
        }
        torch.Tensor input = torch.empty([rows, .. Document.InputShape], torch.ScalarType.Float32);
        Span<float> values = MemoryMarshal.Cast<byte, float>(input.bytes);
        inputs.CopyTo(values);
        if (_normalization is not null)
        {
            for (int row = 0; row < rows; row++) _normalization.Apply(values.Slice(row * _inputLength, _inputLength));
        }
        return module.forward(input);
    }

    private void Classify(torch.Tensor output, Span<Prediction> predictions)
    {
        int classes = Document.Classes.Length;
        if (Document.SingleScore && output.size(1) == 1)
        {
            ClassifyBySign(output, predictions);
            return;
        }
        if (output.size(1) != classes)
            throw new InvalidOperationException($"the model gives {output.size(1)} scores, but the run has {classes} classes");
        torch.Tensor probabilities = torch.nn.functional.softmax(output, 1);
        ReadOnlySpan<float> scores = MemoryMarshal.Cast<byte, float>(output.bytes);
        ReadOnlySpan<float> shares = MemoryMarshal.Cast<byte, float>(probabilities.bytes);
        // libtorch's own arg max, so that a class is the one that evaluation counted
        ReadOnlySpan<long> best = MemoryMarshal.Cast<byte, long>(output.argmax(1).bytes);
        for (int row = 0; row < predictions.Length; row++)
        {
            int index = (int)best[row];
            predictions[row] = new Prediction
            {
                ClassIndex = index,
                ClassName = Document.Classes[index],
                Probabilities = [.. shares.Slice(row * classes, classes)],
                Values = [.. scores.Slice(row * classes, classes)],
            };
        }
    }

    /// <summary>Two classes by one score: above 0 the second, as evaluation counts it.</summary>
    private void ClassifyBySign(torch.Tensor output, Span<Prediction> predictions)
    {
        ReadOnlySpan<float> scores = MemoryMarshal.Cast<byte, float>(output.bytes);
        ReadOnlySpan<float> second = MemoryMarshal.Cast<byte, float>(output.sigmoid().bytes);
        ReadOnlySpan<float> first = MemoryMarshal.Cast<byte, float>(output.neg().sigmoid().bytes);
        for (int row = 0; row < predictions.Length; row++)
        {
            int index = scores[row] > 0 ? 1 : 0;
            predictions[row] = new Prediction
            {
                ClassIndex = index,
                ClassName = Document.Classes[index],
                Probabilities = [first[row], second[row]],
                Values = [scores[row]],
            };
        }
    }

    private void Regress(torch.Tensor output, Span<Prediction> predictions)
    {
        torch.Tensor result = (_loss?.Values(output) ?? output).contiguous();
        ReadOnlySpan<float> values = MemoryMarshal.Cast<byte, float>(result.bytes);
        int width = values.Length / predictions.Length;
        for (int row = 0; row < predictions.Length; row++)
            predictions[row] = new Prediction { Values = [.. values.Slice(row * width, width)] };
    }

    private void RequireKnownInputs()
    {
        if (Document.InputShape.IsEmpty)
        {
            throw new InvalidOperationException(
                $"data set '{Document.Data.Kind}' does not say what an input looks like; call Use with the model's own type and batches");
        }
    }

    private static torch.nn.Module Build(InferenceDocument document, TorchCatalog catalog)
    {
        if (!catalog.Models.TryGet(document.Model.Kind, out var entry))
            throw new SpecException("model", catalog.Models.UnknownName(document.Model.Kind));
        object options = document.Model.OptionsAs(entry.OptionsType);
        return catalog.Models.Get(document.Model.Kind).Create(options, document.ToDataInfo());
    }

    /// <summary>The loss says what an output stands for; null where this program does not know it.</summary>
    internal static ILoss? Loss(InferenceDocument document, TorchCatalog catalog) => catalog.Losses.TryGet(document.Loss.Kind, out var entry)
        ? catalog.Losses.Get(document.Loss.Kind)(document.Loss.OptionsAs(entry.OptionsType)) : null;

    private void Enter()
    {
        int users = Volatile.Read(ref _users);
        while (true)
        {
            ObjectDisposedException.ThrowIf(users == 0 || Volatile.Read(ref _disposed) != 0, this);
            int seen = Interlocked.CompareExchange(ref _users, users + 1, users);
            if (seen == users) return;
            users = seen;
        }
    }

    private void Leave()
    {
        if (Interlocked.Decrement(ref _users) == 0) _module.Dispose();
    }

    /// <summary>One use of the module: counted, without gradients, in a dispose scope, with this predictor's number of threads.</summary>
    private readonly ref struct Call
    {
        private readonly Predictor _predictor;
        private readonly int _threadsBefore;
        private readonly IDisposable _noGradients;
        private readonly DisposeScope _scope;

        public Call(Predictor predictor)
        {
            predictor.Enter();
            _predictor = predictor;
            _threadsBefore = torch.get_num_threads();
            if (_threadsBefore != predictor._threads) torch.set_num_threads(predictor._threads);
            _noGradients = torch.no_grad();
            _scope = torch.NewDisposeScope();
        }

        /// <summary>Lets a tensor that was made in this call outlive it.</summary>
        public void Keep(torch.Tensor tensor) => _scope.MoveToOuter(tensor);

        public void Dispose()
        {
            _scope.Dispose();
            _noGradients.Dispose();
            if (_threadsBefore != _predictor._threads) torch.set_num_threads(_threadsBefore);
            _predictor.Leave();
        }
    }
}
