using DistOpt.Core.Specs;

namespace DistOpt.Core.Datasets;

/// <summary>The built-in data sets. Adding one is one file and one line here.</summary>
public static class DatasetCatalog
{
    /// <summary>
    /// A new catalogue, for an application to add its own to. A factory takes the entry's options record and opens the data (slow and
    /// blocking); it throws <see cref="SpecException"/> for everything that is wrong with options or files.
    /// </summary>
    public static Catalog<Func<object, DataEnvironment, ISupervisedSource>> Create() => new Catalog<Func<object, DataEnvironment, ISupervisedSource>>("data set")
        .Add(new("digits", typeof(DigitsOptions), (o, _) => Digits.Open((DigitsOptions)o),
            "1,797 handwritten digits of 8x8 pixels in 10 classes; built in", "UCI ML repository, CC BY 4.0"));
}
