using DistOpt.Core.Specs;

namespace DistOpt.Core.Datasets;

/// <summary>The built-in data sets. Adding one is one file and one line here.</summary>
public static class DatasetCatalog
{
    /// <summary>
    /// A new catalogue, for an application to add its own to. A factory takes the entry's options record and opens the data (slow and
    /// blocking); it throws <see cref="SpecException"/> for everything that is wrong with options or files.
    /// </summary>
    public static Catalog<Func<object, DataEnvironment, ISupervisedSource>> Create() =>
        new Catalog<Func<object, DataEnvironment, ISupervisedSource>>("data set")
        .Add(new("digits", typeof(DigitsOptions), (o, _) => Digits.Open((DigitsOptions)o),
            "1,797 handwritten digits of 8x8 pixels in 10 classes; built in", "UCI ML repository, CC BY 4.0"))
        .Add(new("mnist", typeof(MnistOptions), (o, e) => Mnist.Open((MnistOptions)o, e),
            "60,000 + 10,000 handwritten digits of 28x28 pixels in 10 classes; 'distopt data get mnist'",
                "LeCun, Cortes, Burges, CC BY-SA 3.0"))
        .Add(new("csv", typeof(CsvOptions), (o, e) => CsvTable.Open((CsvOptions)o, e),
            "a table of numbers with a label column, or several: classification or regression", "RFC 4180"))
        .Add(new("images", typeof(ImagesOptions), (o, e) => ImageFolder.Open((ImagesOptions)o, e),
            "PNG and JPEG files in a folder for each class", "torchvision.datasets.ImageFolder"));
}
